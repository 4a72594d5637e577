"""The search for each workload's fastest tile: on this host, on boards, or by estimates.

1. ``task`` collects a network's workloads, ``search`` says which tile to try next (``cost_model`` orders them).
2. A ``trial`` is built as a shared library (``libraries``) and timed beside the default tile:
   by ``devices``, whose ``pool`` of processes (``worker``) runs it here or on boards that a ``tracker`` lends,
   or by ``estimates``, from counts under the emulator.
3. ``tuner`` writes what was found to the database, trial by trial.
"""
