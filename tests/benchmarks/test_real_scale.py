"""The figure at real scale: four networks in every precision of a board, in the table and in the plot."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import pytest
import torch

from benchmarks.real_scale import BOTH, PRUNED, _grouped, networks, plot, rows
from rdpass.capture.trace import trace
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.profiling.account.choices import AS_IT_IS, PLAIN
from tests.models import bottleneck, classifier, seeded
from tests.support import Untouched

WIDE = 64


@pytest.mark.slow
def test_all_four_networks_are_estimated_in_what_a_board_computes_in_and_the_model_stays_as_it_was() -> None:
    model = seeded(lambda: classifier(bottleneck(WIDE, 32), channels=WIDE))
    before = Untouched(model)
    traced = trace(model, torch.zeros(1, 3, 32, 32))
    graphs = networks(traced, 0.3)
    before.check()
    assert list(graphs) == [AS_IT_IS, PLAIN, PRUNED, BOTH]
    assert {name: len(take_census(trace(graph, traced.example))[0]) for name, graph in graphs.items()} == {
        AS_IT_IS: 1, PLAIN: 0, PRUNED: 1, BOTH: 0,
    }  # fmt: skip
    assert macs_of(graphs[PRUNED]) <= 0.7 * macs_of(traced.module)

    estimated = list(rows(graphs, traced, ["rpi5"]))
    costs = {(row.cost.precision, row.cost.network): row.cost for row in estimated}
    assert set(costs) == set(product(("float32", "fp16", "int8"), graphs))
    for precision in ("float32", "fp16", "int8"):
        assert costs[precision, PRUNED].weight_bytes < costs[precision, AS_IT_IS].weight_bytes
    assert costs["float32", PRUNED].cycles < costs["float32", AS_IT_IS].cycles

    found = _grouped([*estimated, *(replace(row, target="rpi4") for row in estimated)])
    kinds = product(("rpi5", "rpi4"), ("float32", "fp16", "int8"), graphs)
    assert [(row.target, row.cost.precision, row.cost.network) for row in found] == list(kinds)
    drawn = ElementTree.fromstring(plot(found))
    titles = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert len(titles) == 2 * len(found)
    assert titles[0].startswith("rpi5, as it is, float32: ")
