"""Relax module to Relax module; ``pipeline`` lists them in order."""
