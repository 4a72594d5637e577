"""Records as lines: read as they were written, whatever they are of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.core.numeric_types import INT8, INT32, UINT8, NumericTypes
from rdpass.database.best import read_best
from rdpass.database.checksum import LONGEST, write_line
from rdpass.database.folder import add_records, read_records
from rdpass.database.record import Stale
from rdpass.database.record_line import line_of, read_record, write_record
from rdpass.database.repair import check
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import (
    Convolution,
    Dequantization,
    Elementwise,
    Epilogue,
    Head,
    PointwisePair,
    Pooling,
    Quantization,
    QuantizedStem,
    Stem,
    Workload,
)

from .records import RPI4, network_record, record


def test_a_record_is_read_as_it_was_written_and_never_longer_than_a_line_may_be() -> None:
    for number in range(30):
        line = write_record(record(number, failure=None))
        assert read_record(line) == record(number)
        assert len(line) < LONGEST
        assert read_record(write_record(network_record(number))) == network_record(number)


POOL = Pooling(1, 24, 8, 8, "max", (3, 3), (2, 2), (1, 1, 1, 1))


ONE = Convolution(1, 8, 24, 8, 8, (1, 1))


PAIR = PointwisePair(ONE, Convolution(1, 24, 8, 8, 8, (1, 1)))


BYTES = NumericTypes(INT8, INT8, INT32, INT8)


BYTE_PAIR = PointwisePair(replace(ONE, types=BYTES), replace(PAIR.second, types=BYTES))


WORKS = (
    ONE, POOL, Stem(ONE), Stem(ONE, POOL), Head(1, 8, 36, 5), PAIR, Elementwise(1, 8, 36, Epilogue("relu")),
    BYTE_PAIR, QuantizedStem(replace(ONE, channels=3, types=BYTES), source=UINT8), Quantization(1, 8, 36),
    Dequantization(1, 8, 36),
)  # fmt: skip


@pytest.mark.parametrize("work", WORKS, ids=lambda work: type(work).__name__)
def test_every_workload_with_each_of_its_tiles_comes_back_from_the_database(work: Workload, tmp_path: Path) -> None:
    ranked = rank_tiles(work, machine_of(RPI4))
    records = [record(workload=work, tile=one.tile) for one in (ranked[0], ranked[-1])]
    network = network_record(tiles=tuple((work, one.tile) for one in ranked))
    add_records(tmp_path, [*records, network])
    assert read_records(tmp_path) == records
    assert read_best(tmp_path, RPI4).networks == (network,)
    assert check(tmp_path).is_sound


def test_a_line_of_other_kernels_is_kept_as_it_is_whatever_it_holds() -> None:
    old = write_line({"target": "a", "target_name": "b", "code": "0" * 12, "workload": {"kind": "Attention"}})
    found = read_record(b"  " + old.strip() + b"\r\n")
    assert isinstance(found, Stale)
    assert (found.target, found.target_name, found.code) == ("a", "b", "0" * 12)
    assert read_record(line_of(found)) == read_record(old)


@pytest.mark.parametrize("missing", ["target", "code", "workload", "tile", "seconds", "method"])
def test_a_field_that_is_missing_is_named(missing: str) -> None:
    body = {key: value for key, value in json.loads(write_record(record())).items() if key not in (missing, "sha256")}
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        read_record(write_line(body))


def test_a_record_of_a_network_is_told_from_one_of_a_tile_by_its_key() -> None:
    assert read_record(write_record(network_record())) == network_record()
    assert read_record(line_of(record(3))) == record(3)
    failed = record(seconds=None, failure="wrong numbers")
    assert read_record(write_record(failed)) == failed
