"""The choice among templates: the cheapest, the more special of equals, and the reasons where there is none."""

import pytest

from rdpass.core.errors import TargetError
from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, choose, choose_default, is_tile_of, rank_tiles, refusals, template_of
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.workload import Pooling
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
