"""A network as one SVG: its kernels in the order they run, and the bytes live at each of them beside it."""
