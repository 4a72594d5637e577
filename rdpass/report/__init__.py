"""A run folder as one page to look at: what it came to, the network drawn, the training's curves, layers, gates."""
