"""What holds for every kernel, today's and those to come."""

import math
from dataclasses import replace
from inspect import isabstract
from itertools import islice

import numpy as np
import pytest

from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels.choice import build_kernels, label, rank_tiles, template_of
from rdpass.kernels.machine import machine_of
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.template import Template
from rdpass.targets.features import Feature
from rdpass.targets.isa import SVE, isa_of
from rdpass.targets.lookup import find_target, host_target
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM, EXAMPLES, accepted, retyped
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import tolerance_of

HERE = isa_of(host_target())
OTHERS = (
    NumericTypes(FLOAT16, FLOAT16, FLOAT16, FLOAT16),
    NumericTypes(UINT8, INT8, INT32, UINT8),
    NumericTypes(FLOAT32, FLOAT32, FLOAT32, FLOAT16),
)
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)


def test_names_and_tile_classes_are_each_templates_own():
    assert len({template.name for template in TEMPLATES}) == len({t.tile for t in TEMPLATES}) == len(TEMPLATES)


def below(kind):
    """The classes that are made of ``kind``, but for those that leave something open."""
    for each in kind.__subclasses__():
        yield from () if isabstract(each) else (each,)
        yield from below(each)


def test_every_template_of_the_sources_is_in_the_list():
    written = {kind for kind in below(Template) if kind.__module__.startswith("rdpass.kernels.templates.")}
    assert {type(template) for template in TEMPLATES} == written


@each_template
def test_every_template_computes_some_example_and_has_tiles_for_it(template):
    assert accepted(template)
    for work in accepted(template):
        assert all(template.has(work, tile, ARM) for tile in islice(template.tiles(work, ARM), 3))
        assert isinstance(next(template.tiles(work, ARM)), template.tile)


@each_template
@pytest.mark.parametrize("types", OTHERS, ids=lambda types: types.abbreviation)
def test_numbers_of_another_type_are_refused_with_a_reason(template, types):
    for work in accepted(template):
        reason = template.refusal(retyped(work, types), ARM)
        assert reason is not None
        assert types.abbreviation in reason or "nothing that multiplies" in reason


def test_what_a_template_does_not_compute_it_refuses_with_a_reason():
    for template in TEMPLATES:
        reasons = [template.refusal(work, ARM) for work in EXAMPLES if type(work) is template.workload]
        assert all(reason is None or len(reason) > 10 for reason in reasons)


@each_template
def test_a_default_is_among_the_tiles_or_explained(template):
    for work in accepted(template):
        tile = template.default(work, ARM)
        assert tile in template.tiles(work, ARM) or type(template).default.__doc__ != Template.default.__doc__


@each_template
def test_every_kind_of_tile_gives_the_values_of_the_oracle(template):
    for work in accepted(template, machine_with(HERE, 2)):
        best = {}
        for ranked in rank_tiles(work, machine_with(HERE, 2)):
            if template_of(ranked.tile) is template and not ranked.tile.halves:
                best.setdefault(label(ranked.tile), ranked.tile)
        for tile in best.values():
            check(case_of(work, tile, HERE, 2), tolerance_of(tile))


@each_template
@pytest.mark.parametrize(("board", "feature"), [("rpi5", Feature.DOTPROD), ("graviton3", Feature.I8MM)])
def test_a_kernel_says_its_types_and_instruction_set_in_its_name(template, board, feature):
    machine = machine_of(find_target(board))
    for work in accepted(template, machine):
        for kernel in build_kernels(work, constants_of(work), next(template.tiles(work, machine)), machine):
            assert kernel.name.startswith(f"{work.types.abbreviation}_")
            assert "_asimd_" in kernel.name
            assert kernel.features == (("asimd",) if work.types.input.is_float else ("asimd", feature))


@each_template
def test_a_kernel_written_in_scalable_vectors_would_say_so(template):
    machine = replace(ARM, isa=SVE)
    for work in accepted(template, machine):
        for kernel in build_kernels(work, constants_of(work), next(template.tiles(work, machine)), machine):
            assert kernel.features == (Feature.SVE,)
            assert "_sve_" in kernel.name


def test_workloads_of_other_types_are_other_workloads_with_other_words_in_front():
    for work in EXAMPLES:
        other = retyped(work, OTHERS[1])
        assert work.types == ALL_FLOAT32
        assert other != work
        assert other.types.abbreviation == "u8"
        assert other.operations == work.operations
        assert other.describe() == work.describe()


def packed_bytes(kernels):
    """Bytes of the arguments of kernels that are called weights."""
    buffers = [buffer for kernel in kernels for buffer in kernel.function.params]
    weights = [buffer for buffer in buffers if buffer.name.startswith("weights")]
    return sum(math.prod(map(int, w.shape)) * np.dtype(str(w.dtype)).itemsize for w in weights)


@each_template
def test_the_bytes_of_packed_weights_are_those_of_what_is_built(template):
    """A template that does not say them packs the network's own, with zeros at the end of channels and taps."""
    for work in accepted(template):
        by_bytes = {template.weight_bytes(work, tile, ARM): tile for tile in template.tiles(work, ARM)}
        for said, tile in by_bytes.items():
            packed = packed_bytes(build_kernels(work, constants_of(work), tile, ARM))
            if type(template).weight_bytes is Template.weight_bytes:
                assert said == work.types.weight.size((work.weights,))
                assert said <= packed
                assert len(by_bytes) == 1
            else:
                assert said == packed


@each_template
def test_for_size_no_tile_has_smaller_weights_than_the_default(template):
    machine = replace(ARM, optimize="size")
    for work in accepted(template):
        tile = template.default(work, machine)
        sizes = [template.weight_bytes(work, other, machine) for other in template.tiles(work, machine)]
        assert tile is None or template.weight_bytes(work, tile, machine) == min(sizes)


@each_template
def test_where_size_counts_the_default_is_least_in_bytes_then_in_cycles(template):
    machine = replace(ARM, optimize="size")
    for work in accepted(template, machine)[:2]:
        tiles = list(template.tiles(work, machine))
        least = min(tiles, key=lambda tile: template.preference(work, tile, machine), default=None)
        assert template.best(work, tiles, machine) == least
