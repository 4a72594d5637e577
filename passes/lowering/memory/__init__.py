"""Plan one arena for the maps between kernels."""
