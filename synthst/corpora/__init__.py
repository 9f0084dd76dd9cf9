"""Corpora: one module each, which turns what its publisher offers into data directories."""
