"""Closed vocabularies."""

from enum import Enum


class Word(Enum):
    """An enum with members hashed by identity: Enum's own hash is a call into Python, and sets of words are hot."""

    __hash__ = object.__hash__
