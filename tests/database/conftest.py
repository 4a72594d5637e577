"""A file of records for tests to spoil."""

from pathlib import Path

import pytest

from rdpass.database.folder import add_records, file_of

from .spoiling import KEPT


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    add_records(tmp_path, KEPT)
    return file_of(tmp_path, KEPT[0])
