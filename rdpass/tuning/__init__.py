"""The search for each workload's fastest tile: on this host, on boards, or by estimates.

1. ``task`` collects a network's workloads, ``search`` says which tile to try next (``cost_model`` orders them).
2. A trial is built as a shared library (``libraries``) and timed beside the default tile: by ``devices``, whose
   processes (``worker_pool``, ``worker``; ``job`` has the messages) run it here or on boards that a tracker lends,
   or by ``estimates``, from counts under the emulator. ``outcome`` is what came of it.
3. ``searching`` runs trial after trial, and ``session`` writes each into the database. ``comparing`` times the whole
   network with its tiles and without.
4. ``tuner`` is the verb; ``notes`` and ``report`` have what it says.
"""
