"""The algebra of linear maps of feature maps: convolutions, batch norms, poolings and their sums."""
