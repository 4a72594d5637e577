"""Shortcuts that fade during training, and what takes them over."""
