"""Shortcuts removed exactly, without data."""
