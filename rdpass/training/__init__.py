"""The training engine: it minimises whatever an ``Objective`` says, and guarantees how a run ends, stops and goes on.

What is guaranteed on resume, kill, non-finite numbers and several processes: docs/training.md.
"""
