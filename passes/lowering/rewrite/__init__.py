"""Put kernels and their layout into a Relax module."""
