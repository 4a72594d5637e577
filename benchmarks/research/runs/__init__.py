"""Runs made, recorded, gone on with and shared between processes."""
