"""Find what a kernel of ours can compute."""
