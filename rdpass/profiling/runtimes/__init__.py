"""Other runtimes on this host, and ours, each as a function from an input to an output.

All get the same network, float32 throughout, and as many threads as they are told. What a runtime needs converted is
converted once and kept in the cache folder. One that is not installed, or can't take the network, raises; the caller
reports that.
"""
