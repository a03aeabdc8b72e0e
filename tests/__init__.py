"""Tests, one package per part of the system."""
