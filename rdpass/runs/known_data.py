"""The data that runs were trained on, by name, as this user's own machine remembers it.

Naming data runs code, so no run folder does: it may come from somebody else. What ``rdpass convert --data`` was given
is kept in the cache folder instead, under the digest of the run's record: only runs that were made here are known.
"""

from __future__ import annotations

from pathlib import Path

from rdpass.core.cache import keep, read_kept
from rdpass.core.files import file_digest
from rdpass.runs.folder import RECORD

_KIND = "data-of-runs"


def remember_data(folder: Path, name: str) -> None:
    """Keep the name of the data that the run in ``folder`` was trained on, if the cache folder can be written.

    A folder or a table of images is found again from elsewhere too.
    """
    place = Path(name)
    keep(_KIND, file_digest(folder / RECORD), (str(place.resolve()) if place.exists() else name).encode())


def known_data(folder: Path) -> str | None:
    """The name of the data that the run in ``folder`` was trained on, if that was done here."""
    try:
        kept = read_kept(_KIND, file_digest(folder / RECORD))
    except OSError:  # it is no run folder
        return None
    return None if kept is None else kept.decode(errors="replace")
