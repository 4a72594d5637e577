"""Recipes: remove shortcuts exactly (``carry``) or by training (``migrate``). One recipe a file."""
