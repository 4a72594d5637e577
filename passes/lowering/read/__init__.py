"""Read a lowered module: its calls, and what no kernel of ours computes."""
