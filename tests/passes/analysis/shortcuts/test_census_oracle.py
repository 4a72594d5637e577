"""The census against an oracle that shares no code with it, on random graphs; and what removal does to them."""

import operator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch.fx import Interpreter

from rdpass.core.plan import Traced
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.annotate import annotate
from tests.passes.analysis.shortcuts.census_oracle import Found, Oracle
from tests.random_graphs import built, graphs
from tests.support import Untouched

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=1200, deadline=None, suppress_health_check=list(HealthCheck))


def compare(case):
    module, example = case.module, case.example
    expected = Oracle(module).findings()
    regions, skipped = take_census(Traced(module, example))
    found = {
        region.add: Found(
            "", region.fork, frozenset(region.body), frozenset(region.shortcut), region.kind, region.verdict
        )
        for region in regions
    }
    reasons = {other.add: other.reason for other in skipped}
    assert len(found) + len(reasons) == len(regions) + len(skipped) == len(expected)
    assert {**found, **reasons}.keys() == expected.keys()
    for add, wanted in expected.items():
        if wanted.reason:
            assert wanted.reason in reasons.get(add, f"it is {found.get(add)}"), add
        else:
            assert found.get(add, reasons.get(add)) == wanted, add


@pytest.mark.parametrize(
    ("body", "shortcut", "kind"),
    [
        pytest.param(["down", "norm"], ["down"], "projection", id="both sides change the size"),
        pytest.param(["conv"], ["maximum", "scale"], "padded", id="a scale behind a pool changes no kind"),
        pytest.param(["down"] * 3 + ["maximum"], ["down"] * 3, "", id="three layers are no projection"),
    ],
)
def test_a_block_has_the_kind_that_its_shortcut_says(body, shortcut, kind):
    case = built([(body, 0, shortcut)])
    compare(case)
    assert [region.kind for region in take_census(Traced(case.module, case.example))[0]] == [kind] * bool(kind)


def test_a_maximum_is_not_linear_even_on_one_pixel():
    case = built([("down", 0, 0), (["down", "down", "maximum"], 0, ["down", "down"])])
    compare(case)
    assert [region.kind for region in take_census(Traced(case.module, case.example))[0]] == ["projection"]


@QUICK
@given(graphs())
def test_verdicts_are_the_oracles(case):
    compare(case)


@pytest.mark.slow
@THOROUGH
@given(graphs())
def test_verdicts_are_the_oracles_on_more_than_a_thousand_graphs(case):
    compare(case)


@QUICK
@given(graphs())
def test_with_everything_skipped_removal_leaves_code_and_numbers_as_they_are(case):
    module, example = case.module, case.example
    regions, _ = take_census(Traced(module, example), skip=("*",))
    same = remove_shortcuts(module, [region for region in regions if region.verdict == "removable"])
    assert same.code == module.code
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(same(*example), module(*example), strict=True))


class WithoutShortcuts(Interpreter):
    """Runs the old graph, each removed add giving what its body gave."""

    def __init__(self, module, bodies):
        super().__init__(module)
        self.bodies = bodies

    def run_node(self, n):
        if n.name in self.bodies:
            return self.env[next(arg for arg in n.args if arg.name in self.bodies[n.name])]
        return super().run_node(n)


@QUICK
@given(graphs())
def test_the_student_computes_the_bodies_alone_and_a_second_run_finds_none_of_the_removed(case):
    module, example = case.module, case.example
    before = Untouched(module)
    removable = [region for region in take_census(Traced(module, example))[0] if region.verdict == "removable"]
    student = remove_shortcuts(module, removable)
    before.check()
    bodies = {region.add: set(region.body) for region in removable}
    with torch.no_grad():
        wanted, got = WithoutShortcuts(module, bodies).run(*example), student(*example)
    assert all(torch.equal(a, b) for a, b in zip(wanted, got, strict=True))
    annotate(student, example)
    regions, skipped = take_census(Traced(student, example))
    assert not {finding.add for finding in (*regions, *skipped)} & bodies.keys()
    adds = {node.name for node in module.graph.nodes if node.target is operator.add}
    assert {finding.add for finding in (*regions, *skipped)} <= adds - bodies.keys()
