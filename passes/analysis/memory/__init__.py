"""The memory model: which buffers are live in the best schedule of a graph."""
