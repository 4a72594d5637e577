"""The census: which adds are residual, and of what kind."""
