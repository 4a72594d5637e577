"""What moves numbers and computes none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdpass.core.errors import ConfigError
from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import layers, read


@pytest.mark.parametrize(
    "node",
    ["Flatten(x)", "Flatten<axis=2>(x)", "Reshape(x, s)", "Unsqueeze(x, a)", "Transpose<perm=[0, 2, 1, 3]>(x)",
     "Concat<axis=1>(x, x)", "Concat<axis=-1>(x, c)", "Slice(x, start, end, at)", "Slice(x, end, start, at, back)",
     "Gather<axis=1>(x, one)", "Gather<axis=2>(x, some)", "Gather<axis=3>(x, table)", "Tile(x, twice)", "Pad(x, p)",
     "Pad(x, p, half)", 'Pad<mode="reflect">(x, p)', 'Pad<mode="edge">(x, p)', "Pad(x, channels)", "Pad(x, cut)",
     "Expand(x, wide)", "DepthToSpace<blocksize=2>(d)"],
)  # fmt: skip
def test_nodes(node: str) -> None:
    body = f"d = Concat<axis=1>(x, x) y = {node}" if "(d)" in node else f"y = {node}"
    read(
        body, "float[2, 4, 6, 5] x", s=np.array([0, 8, -1]), a=np.array([1]), c=numbers(2, 4, 6, 2),
        start=np.array([1, 0]), end=np.array([5, 3]), at=np.array([2, -1]), back=np.array([-2, -1]),
        one=np.int64(-1), some=np.array([0, 5, 2]), table=np.array([[0, 1], [4, -1]]), twice=np.array([1, 2, 1, 3]),
        p=np.array([0, 0, 1, 2, 0, 0, 2, 1]), half=np.float32(0.5), channels=np.array([0, 1, 0, 0, 0, 2, 0, 0]),
        cut=np.array([0, 0, -1, 0, 0, 0, 0, -2]), wide=np.array([3, 1, 1, 1, 1]),
    )  # fmt: skip


def test_parts() -> None:
    read("a, y = Split<axis=1>(x, s)", "float[2, 5] x", s=np.array([2, 3]))
    read("y, b, c = Split<axis=-1, num_outputs=3>(x)", "float[2, 7] x", "float[] y, float[] b, float[] c")


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_pixels_and_channels(mode: str) -> None:
    read(f'y = DepthToSpace<blocksize=2, mode="{mode}">(x)', "float[2, 8, 3, 4] x")
    read("y = SpaceToDepth<blocksize=2>(x)", "float[2, 3, 4, 6] x")


def test_places_that_are_computed() -> None:
    read("y = Gather<axis=1>(x, i)", "float[2, 5] x, int64[3] i")
    read("y = GatherElements<axis=1>(x, i)", "float[2, 5] x, int64[2, 3] i")
    read("y = ScatterElements<axis=1>(x, i, u)", "float[2, 5] x", i=np.array([[1, 3]]), u=numbers(1, 2))
    read("y = OneHot(x, d, v)", "int64[4] x", d=np.array([3]), v=np.float32([0.5, 2]))
    read("y = Trilu<upper=0>(x, k)", "float[4, 5] x", k=np.int64(1))


def test_pads_are_modules() -> None:
    assert layers(read("y = Pad(x, p)", p=np.array([0, 0, 1, 2, 0, 0, 2, 1]))) == ["ZeroPad2d"]


def test_reshapes_that_keep_the_batch_take_any() -> None:
    module = read("a = Reshape(x, s) b = Transpose<perm=[0, 2, 1]>(a) c = Reshape(b, t) y = Flatten(c)",
                  "float[1, 4, 3, 2] x", s=np.array([1, 4, 6]), t=np.array([1, 6, 2, 2]))  # fmt: skip
    assert tuple(module(torch.zeros(5, 4, 3, 2)).shape) == (5, 24)


def test_an_output_that_is_a_constant_or_an_input() -> None:
    read("y = Shape(x) z = Identity(x)", outputs="int64[] y, float[] z")


def test_an_expanded_map_takes_batches_of_any_size() -> None:
    module = read("p = GlobalAveragePool(x) y = Expand(p, s)", "float[1, 4, 6, 5] x", s=np.array([1, 4, 6, 5]))
    assert module(torch.zeros(3, 4, 6, 5)).shape == (3, 4, 6, 5)


@pytest.mark.parametrize(
    ("places", "updates"),
    [([[0], [-1]], (2, 6, 5)), ([[0, 1], [3, -2], [2, 0]], (3, 5)), ([[[0, 0, 1], [1, 5, -1]]], (1, 2))],
)
def test_numbers_and_parts_at_places(places: list[object], updates: tuple[int, ...]) -> None:
    read("y = ScatterND(x, p, u)", "float[4, 6, 5] x", p=np.array(places), u=numbers(*updates))


def test_what_is_put_in_the_only_row_of_a_batch_is_put_in_every_row() -> None:
    body, places = "y = ScatterND(x, p, u)", np.array([[[0, 1, 3], [0, 2, -1]]])
    module = read(body, "float[1, 4, 6, 5] x", p=places, u=numbers(1, 2, 5))
    found = module(torch.zeros(3, 4, 6, 5))
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[0, 2, 5], torch.from_numpy(numbers(1, 2, 5))[0, 1])


def test_sums_at_places_are_refused() -> None:
    with pytest.raises(ConfigError, match="it adds or multiplies what is there"):
        read('y = ScatterND<reduction="add">(x, p, u)', "float[4, 6] x", p=np.array([[0]]), u=numbers(1, 6))
