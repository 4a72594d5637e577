"""Channels that leave: which depend on each other, which matter least, and the graph without them."""
