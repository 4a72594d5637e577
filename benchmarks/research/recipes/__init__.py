"""Recipes that rdpass does not have: published ones, and one that merges layers; registered under their own names."""
