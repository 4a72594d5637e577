"""What removing shortcuts costs in accuracy: grids of experiments, and the tables and plots they give.

    python -m benchmarks.research --grid depth --json [--size quick|reduced|full] [--seeds 0 1 2] [--device cuda]
    python -m benchmarks.research --grid depth --list
    python -m benchmarks.research --report

A run that is recorded is not made again, an interrupted one goes on, and several processes may share a grid.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.research.command import main

if __name__ == "__main__":
    sys.exit(main())
