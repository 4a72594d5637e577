"""Shared foundations: errors, comparison of numbers, findings, numeric types, files, progress."""
