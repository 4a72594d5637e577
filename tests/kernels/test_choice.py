"""The choice among templates: the cheapest, the more special of equals, and the reasons where there is none."""

from dataclasses import dataclass

import pytest

from rdpass.core.errors import ConfigError, TargetError
from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, choose, choose_default, is_tile_of, rank_tiles, refusals, template_of
from rdpass.kernels.registry import TEMPLATES, all_templates, kernels
from rdpass.kernels.template import Template, Tile
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import ASIMD
from tests.kernels.cases import machine_with
from tests.kernels.examples import EXAMPLES, retyped

MACHINE = machine_with(ASIMD)
POOL = next(work for work in EXAMPLES if isinstance(work, Pooling))


@dataclass(frozen=True)
class MadeUpTile(Tile):
    number: int = 1


@dataclass(frozen=True)
class MadeUp(Template):
    """A pooling that costs what it is told."""

    cycles: float
    name = "made up"
    workload = Pooling
    tile = MadeUpTile

    def tiles(self, work, machine):
        yield from map(MadeUpTile, (1, 2))

    def cost(self, work, tile, machine):
        return self.cycles

    def build(self, work, constants, tile, machine):
        raise NotImplementedError

    def oracle(self, work, constants, inputs):
        raise NotImplementedError


class Registered(MadeUp):
    name = "made.up"


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
    assert list(refusals(half, MACHINE)) == ["pooling"]
    with pytest.raises(TargetError, match=r"no kernel computes max pool 10 10x14 with asimd: pooling is"):
        choose_default(half, MACHINE)


def test_a_tile_of_another_workloads_template_is_refused():
    work = next(work for work in EXAMPLES if not isinstance(work, Pooling))
    with pytest.raises(TypeError, match="is no tile for"):
        build_kernels(work, (), choose_default(POOL, MACHINE), MACHINE)
    assert not is_tile_of(work, choose_default(POOL, MACHINE), MACHINE)


def test_a_registered_template_is_chosen_from_like_ours(monkeypatch):
    monkeypatch.setattr(kernels, "_known", dict(kernels._known))
    kernels.register("made.up")(Registered(0.0))
    assert all_templates()[:-1] == TEMPLATES
    assert choose_default(POOL, MACHINE) == MadeUpTile(1)
    assert template_of(MadeUpTile(2)).name == "made.up"


@pytest.mark.parametrize(("given", "said"), [(len, "to be a Template"), (MadeUp(0.0), "calls itself 'made up'")])
def test_what_is_no_template_of_that_name_is_refused(monkeypatch, given, said):
    monkeypatch.setattr(kernels, "_known", dict(kernels._known))
    with pytest.raises(ConfigError, match=said):
        kernels.register("made.up")(given)
