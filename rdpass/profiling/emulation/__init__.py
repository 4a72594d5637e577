"""Cost of a program on an ARM core without one: exact counts under an emulator, cycles from LLVM's models.

1. ``counting.c``, a plugin of QEMU's, counts how often each block of code runs between two marks, and which of its
   memory accesses miss a simulated L1 and L2 cache.
2. ``blocks`` turns that into basic blocks, ``symbols`` gives each to its function.
3. ``throughput`` asks llvm-mca for the cycles of each, ``cycles`` adds them up.

Counts are exact and repeat. Cycles and times are estimates: ``docs/arm-cost.md``.
"""
