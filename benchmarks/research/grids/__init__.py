"""The grids: which arms on which networks, and what each grid asks."""
