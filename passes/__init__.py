"""The passes: ``fx`` on torch.fx graphs, ``relax`` on TVM Relax modules. One deed a file."""
