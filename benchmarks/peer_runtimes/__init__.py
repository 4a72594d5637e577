"""Reference networks on every runtime: both graphs of each, ExecuTorch, ours; see ``rdpass.profiling.runtimes``."""
