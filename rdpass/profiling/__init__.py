"""Costs counted under emulation, and other runtimes timed beside ours."""
