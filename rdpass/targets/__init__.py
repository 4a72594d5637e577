"""The CPUs a network can be built for: presets, this host, a file of one's own; and what building for them needs."""
