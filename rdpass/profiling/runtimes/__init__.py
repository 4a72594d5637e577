"""Other runtimes on this host, and ours, each as a function from an input to an output.

All get the same file and as many threads as they are told. Networks of floats they compute in float32 throughout, also
beside one of ours in float16; quantised (QDQ) ones with their own kernels of bytes. What a runtime needs converted is
converted once and kept in the cache folder. One that is not installed, or can't take the network, raises; the caller
reports that.
"""
