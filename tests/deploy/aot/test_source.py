"""The C sources of a network: weights where the calls look for them, and names that begin with the prefix."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rdpass.deploy.aot.network import Network
from rdpass.deploy.aot.source import EXAMPLE, weight_offsets, write_source
from tests.deploy.aot.compiled import built
from tests.onnx.nets import Net


@pytest.fixture(scope="module")
def network() -> Network:
    net = Net((1, 8, 9, 7))
    return built(net.model(net.conv(net.relu(net.conv("x0", 8, 12, 3)), 12, 4)))


@pytest.mark.parametrize(
    ("sizes", "offsets"), [((), ()), ((1,), (0,)), ((16, 1), (0, 64)), ((17, 16, 3), (0, 128, 192)), ((0, 4), (0, 0))]
)
def test_constants_begin_at_whole_lines_one_after_another(sizes: tuple[int, ...], offsets: tuple[int, ...]) -> None:
    assert weight_offsets([np.zeros(size, np.float32) for size in sizes]) == offsets


def test_every_constant_lies_where_the_calls_look_for_it(network: Network, tmp_path: Path) -> None:
    write_source(tmp_path, network)
    content = (tmp_path / "weights.bin").read_bytes()
    constants = network.sequence.constants
    offsets = weight_offsets(constants)
    for array, offset in zip(constants, offsets, strict=True):
        assert content[offset : offset + array.nbytes] == np.ascontiguousarray(array).tobytes()
    assert len(content) == offsets[-1] + constants[-1].nbytes
    asked = {int(number) for number in re.findall(r"WEIGHTS\((\d+)\)", (tmp_path / "model.c").read_text())}
    assert asked == set(offsets)


def test_every_call_is_written_once_in_its_order(network: Network, tmp_path: Path) -> None:
    write_source(tmp_path, network)
    text = (tmp_path / "model.c").read_text()
    symbols = [network.functions.symbols[call.function] for call in network.sequence.calls]
    written = re.findall(rf"\b({'|'.join(map(re.escape, set(symbols)))})\((?!void)", text)
    assert written == symbols


def test_files_are_called_and_begin_their_names_by_the_prefix(network: Network, tmp_path: Path) -> None:
    write_source(tmp_path, replace(network, prefix="cat"))
    assert {path.name for path in tmp_path.iterdir()} == {"cat.h", EXAMPLE, "model.c", "weights.s", "weights.bin"}
    for name in ("cat.h", EXAMPLE, "model.c"):
        assert "rdpass_model" not in (tmp_path / name).read_text()
    assert "int cat_run(" in (tmp_path / "cat.h").read_text()
