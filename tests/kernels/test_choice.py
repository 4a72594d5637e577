"""The choice among templates: the cheapest, the more special of equals, and the reasons where there is none."""

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, INT8, INT32, NumericTypes
from rdpass.kernels.choice import (
    build_kernels,
    choose,
    choose_default,
    default_cost,
    is_tile_of,
    label,
    rank_tiles,
    refusals,
    template_of,
    transform_bytes,
    weight_bytes,
)
from rdpass.kernels.machine import machine_of
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.workload import Convolution, Head, Pooling, Stem
from rdpass.targets.lookup import find_target
from tests.kernels.examples import EXAMPLES, retyped
from tests.kernels.made_up import MACHINE, POOL, MadeUp, MadeUpTile


@pytest.mark.parametrize("work", EXAMPLES, ids=lambda work: work.describe())
def test_the_default_comes_first_and_is_a_tile_of_its_workload(work):
    ranked = rank_tiles(work, MACHINE)
    assert ranked[0].tile == choose_default(work, MACHINE) == choose(work, MACHINE, {})
    assert is_tile_of(work, ranked[0].tile, MACHINE)
    assert choose(work, MACHINE, {work: ranked[-1].tile}) == ranked[-1].tile


def test_of_defaults_that_cost_the_same_the_later_templates_is_taken():
    assert choose_default(POOL, MACHINE, (*TEMPLATES, MadeUp(0.0))) == MadeUpTile(1)
    assert choose_default(POOL, MACHINE, (MadeUp(0.0), *TEMPLATES)) == choose_default(POOL, MACHINE)
    assert choose_default(POOL, MACHINE, (*TEMPLATES, MadeUp(1.0))) == choose_default(POOL, MACHINE)


def test_the_tiles_of_a_template_of_ones_own_are_ranked_among_the_others():
    templates = (*TEMPLATES, MadeUp(1.0))
    ranked = [ranked.tile for ranked in rank_tiles(POOL, MACHINE, templates)]
    assert set(ranked) == {*(ranked.tile for ranked in rank_tiles(POOL, MACHINE)), MadeUpTile(1), MadeUpTile(2)}
    assert template_of(MadeUpTile(2), templates).name == "made up"


def test_a_workload_that_nothing_computes_is_named_with_every_reason():
    half = retyped(POOL, NumericTypes(FLOAT16, FLOAT16, FLOAT16, FLOAT16))
    assert list(refusals(half, MACHINE)) == ["pooling", "integer_pooling"]
    with pytest.raises(TargetError, match=r"no kernel computes max pool 10 10x14 with asimd: asimd has nothing"):
        choose_default(half, MACHINE)


def test_a_tile_of_another_workloads_template_is_refused():
    work = next(work for work in EXAMPLES if not isinstance(work, Pooling))
    with pytest.raises(TypeError, match="is no tile for"):
        build_kernels(work, (), choose_default(POOL, MACHINE), MACHINE)
    assert not is_tile_of(work, choose_default(POOL, MACHINE), MACHINE)


# Speed, size, and something of both

HALVES, BYTES = NumericTypes.all(FLOAT16), NumericTypes(INT8, INT8, INT32, INT8)
OF_ALL_TYPES = [("rpi4", ALL_FLOAT32), ("rpi4", BYTES), ("rpi5", ALL_FLOAT32), ("rpi5", HALVES), ("rpi5", BYTES)]


def layer(channels, size, types=ALL_FLOAT32, stride=1):
    return Convolution(1, channels, channels, size, size, (3, 3), (stride,) * 2, (1, 1, 1, 1), types=types)


LAYERS = [(64, 56, 1), (256, 14, 1), (128, 56, 2), (512, 14, 2)]
"""Channels, rows and stride of layers of a ResNet-50."""


@pytest.mark.parametrize(("board", "types"), OF_ALL_TYPES, ids=lambda of: str(getattr(of, "abbreviation", of)))
@pytest.mark.parametrize(("channels", "size", "stride"), LAYERS)
def test_fewer_bytes_are_paid_with_cycles_and_for_size_there_are_no_more_than_in_the_network(
    board, types, channels, size, stride
):
    work = layer(channels, size, types, stride)
    machines = [machine_of(find_target(board), optimize) for optimize in ("speed", "balanced", "size")]
    tiles = [choose_default(work, machine) for machine in machines]
    speed, balanced, smallest = (weight_bytes(work, *pair) for pair in zip(tiles, machines, strict=True))
    assert types.weight.size((work.weights,)) == smallest <= balanced <= speed
    costs = [default_cost(work, machine) for machine in machines]
    assert costs == sorted(costs)
    more = [transform_bytes(work, *pair) for pair in zip(tiles, machines, strict=True)]
    assert more == [speed - smallest, balanced - smallest, 0]


def test_what_winograd_saves_a_byte_decides_where_it_stays():
    """On four cores of a Cortex-A72, all of it pays in the first stage, F(2, 3) in the third, none in the last."""
    kinds = {
        optimize: [
            label(choose_default(layer(channels, size), machine_of(find_target("rpi4"), optimize)))
            for channels, size in ((64, 56), (256, 14), (512, 7))
        ]
        for optimize in ("speed", "balanced", "size")
    }
    assert kinds == {
        "speed": ["winograd4", "winograd4x2", "winograd2"],
        "balanced": ["winograd4", "winograd2", "direct"],
        "size": ["direct"] * 3,
    }


def test_no_other_tile_saves_a_cycle_for_each_byte_more():
    work, machine = layer(256, 14), machine_of(find_target("rpi4"), "balanced")
    chosen = choose_default(work, machine)
    cycles, size = default_cost(work, machine), weight_bytes(work, chosen, machine)
    for other in rank_tiles(work, replace(machine, optimize="speed")):
        assert cycles - other.cycles <= weight_bytes(work, other.tile, machine) - size


@pytest.mark.parametrize("optimize", ["balanced", "size"])
def test_tuning_is_offered_no_larger_weights_than_the_defaults(optimize):
    work, speed = layer(64, 20), machine_of(find_target("rpi4"))
    machine = replace(speed, optimize=optimize)
    default, *others = (ranked.tile for ranked in rank_tiles(work, machine))
    assert default == choose_default(work, machine)
    assert others
    assert all(weight_bytes(work, tile, machine) <= weight_bytes(work, default, machine) for tile in others)
    assert all(is_tile_of(work, tile, machine) for tile in (default, *others[::50]))
    largest = max((r.tile for r in rank_tiles(work, speed)), key=lambda tile: weight_bytes(work, tile, speed))
    assert is_tile_of(work, largest, speed)
    assert not is_tile_of(work, largest, replace(machine, optimize="size"))


def test_stems_and_heads_of_unknown_cost_are_smallest_for_size_and_as_ever_for_both():
    image = Convolution(1, 3, 64, 224, 224, (7, 7), (2, 2), (3, 3, 3, 3))
    stem = Stem(image, Pooling(1, 64, 112, 112, "max", (3, 3), (2, 2), (1, 1, 1, 1)))
    for work in (stem, Head(1, 64, 16, 10)):
        speed, balanced, size = (machine_of(find_target("rpi4"), of) for of in ("speed", "balanced", "size"))
        tile = choose_default(work, speed)
        assert choose_default(work, balanced) == tile
        assert transform_bytes(work, tile, speed) > 0
        assert transform_bytes(work, choose_default(work, size), size) == 0


@pytest.mark.parametrize(("channels", "size"), [(64, 56), (128, 28)])
def test_where_size_counts_no_whole_map_is_copied_for_a_thousandth_of_the_time(channels, size):
    work, alone = layer(channels, size), replace(machine_of(find_target("rpi4")), threads=1, optimize="size")
    chosen = choose_default(work, alone)
    assert chosen.rows <= 4
    fastest = min(r.cycles for r in rank_tiles(work, alone) if weight_bytes(work, r.tile, alone) == 4 * work.weights)
    assert default_cost(work, alone) <= 1.002 * fastest
