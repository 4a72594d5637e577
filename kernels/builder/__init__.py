"""Words to write kernels in, and the parts that several templates share."""
