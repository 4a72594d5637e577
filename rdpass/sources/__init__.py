"""Models, weights and data that a user names."""
