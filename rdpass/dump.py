"""Readable graphs on request: ``RDPASS_DUMP=folder`` writes one numbered text file after every stage.

RDPASS_DUMP=dump rdpass convert …
ls dump    # 01_trace.txt  02_functionalise.txt  03_lift_layers.txt …
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

_numbers = count(1)


def dump(stage: str, text: str) -> None:
    """Write ``text`` as ``NN_stage.txt`` into the folder that RDPASS_DUMP names; nothing where it is not set."""
    folder = os.environ.get("RDPASS_DUMP")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{next(_numbers):02d}_{stage}.txt").write_text(text)
