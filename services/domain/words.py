"""Closed vocabularies."""

from enum import Enum


class Word(Enum):
    """An enum with members hashed by identity: Enum's own hash is a call into Python, and sets of words are hot."""

    __hash__ = object.__hash__

    def __init__(self, text: str) -> None:
        """``text`` is the value as a plain attribute; Enum's own ``value`` is a call into Python."""
        self.text = text
