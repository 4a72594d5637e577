"""Deliberate faults, many of a kind: what is tried, and what survives."""
