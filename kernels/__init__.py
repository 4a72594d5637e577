"""The kernels: templates in TIR, one a file, and the choice of template and tile for a workload."""
