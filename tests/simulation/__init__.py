"""Deterministic simulation: a whole exchange in one process, under a seeded scheduler and a virtual clock.

``python -m tests.simulation --seed 7 --trace`` runs one seed and shows what happened; docs/proof.md says what is
checked.
"""
