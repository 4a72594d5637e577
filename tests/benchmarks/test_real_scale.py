"""The figure at real scale: four networks in every precision of a board, in the table and in the plot."""

from __future__ import annotations

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
def test_all_four_networks_are_estimated_on_each_board_in_what_it_computes_in_and_the_model_stays_as_it_was() -> None:
    model = seeded(lambda: classifier(bottleneck(WIDE, 32), channels=WIDE))
    before = Untouched(model)
    traced = trace(model, torch.zeros(1, 3, 16, 16))
    graphs = networks(traced, 0.3)
    before.check()
    assert list(graphs) == [AS_IT_IS, PLAIN, PRUNED, BOTH]
    assert {name: len(take_census(trace(graph, traced.example))[0]) for name, graph in graphs.items()} == {
        AS_IT_IS: 1, PLAIN: 0, PRUNED: 1, BOTH: 0,
    }  # fmt: skip
    assert macs_of(graphs[PRUNED]) <= 0.7 * macs_of(traced.module)

    found = _grouped(list(rows(graphs, traced, ["rpi4", "rpi5"])))
    kinds = [("rpi4", "float32"), ("rpi4", "int8"), ("rpi5", "float32"), ("rpi5", "fp16"), ("rpi5", "int8")]
    assert [(row.target, row.cost.precision, row.cost.network) for row in found] == [
        (*kind, network) for kind in kinds for network in graphs
    ]
    costs = {(row.target, row.cost.precision, row.cost.network): row.cost for row in found}
    for kind in kinds:
        whole, narrow = costs[(*kind, AS_IT_IS)], costs[(*kind, PRUNED)]
        assert narrow.cycles < whole.cycles
        assert narrow.weight_bytes < whole.weight_bytes

    drawn = ElementTree.fromstring(plot(found))
    titles = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert len(titles) == 2 * len(found)
    assert titles[0].startswith("rpi4, as it is, float32: ")
