"""The ladder of tracers: what each keeps as a module, and where it says that it failed."""

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from rdpass.capture.tracers import MOST_LEAVES, NotFollowed, export, trace_symbolically, trace_with_leaves
from tests.models import ShapeFlow, seeded, small_resnet
from tests.support import error_between

X = torch.randn(1, 3, 8, 8)


class Branching(nn.Module):
    """No weights, and a branch on a value: symbols can't follow."""

    def forward(self, x):
        return x if x.sum() > -1e9 else -x


class Weighted(nn.Module):
    """The same with weights."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x) if x.sum() > -1e9 else x


def calls(module):
    return [str(node.target) for node in module.graph.nodes if node.op == "call_module"]


def test_leaves_are_named_by_globs_on_their_paths_and_stay_whole():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    assert calls(trace_symbolically(model, ())) == ["0.0", "0.1", "1.0", "1.1"]
    assert calls(trace_symbolically(model, ("1",))) == ["0.0", "0.1", "1"]
    assert calls(trace_symbolically(model, ("[01]",))) == ["0", "1"]


def test_a_graph_can_be_pickled_without_a_class_of_ours():
    module = trace_symbolically(seeded(small_resnet), ())
    assert b"capture.tracers" not in pickle.dumps(module)
    assert error_between(pickle.loads(pickle.dumps(module)), module, X) == 0


@pytest.mark.parametrize(
    ("model", "path"),
    [(Branching(), ""), (nn.Sequential(nn.Conv2d(3, 3, 1), Branching()), "1"),
     (nn.Sequential(nn.Sequential(nn.ReLU(), Weighted())), "0.1")],
    ids=["the model itself", "a child", "a grandchild"],
)  # fmt: skip
def test_what_can_not_be_followed_is_the_innermost_module_with_its_cause(model, path):
    with pytest.raises(NotFollowed) as caught:
        trace_symbolically(model, ())
    assert caught.value.path == path
    assert isinstance(caught.value.__cause__, torch.fx.proxy.TraceError)


def test_modules_without_weights_become_leaves_one_after_the_other():
    def build():
        return nn.Sequential(Branching(), nn.Conv2d(3, 3, 1), Branching(), nn.Sequential(Branching()))

    made = []

    def copy_of():
        made.append(build())
        return made[-1]

    module = trace_with_leaves(copy_of, ())
    assert calls(module) == ["0", "1", "2", "3.0"]
    assert len(made) == 4  # a fresh copy for every try
    assert error_between(module, made[-1], X) == 0


def test_a_module_with_weights_is_no_leaf_unless_it_was_named():
    with pytest.raises(NotFollowed) as caught:
        trace_with_leaves(lambda: nn.Sequential(Branching(), Weighted()), ())
    assert caught.value.path == "1"
    assert calls(trace_with_leaves(lambda: nn.Sequential(Branching(), Weighted()), ("1",))) == ["0", "1"]


def test_there_is_an_end_to_leaves():
    with pytest.raises(NotFollowed):
        trace_with_leaves(lambda: nn.Sequential(*(Branching() for _ in range(MOST_LEAVES + 1))), ())


def test_exporting_follows_control_flow_on_shapes_and_leaves_no_guards():
    model = seeded(ShapeFlow)
    module = export(model, (X,))
    assert error_between(module, model, torch.randn(1, 3, 8, 8)) <= 1e-6
    assert not any("guard" in str(node.target) for node in module.graph.nodes)


@dataclass
class Scores:
    """As people write them: torch was not told of it."""

    logits: torch.Tensor
    maps: Any = None


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.conv(x)
        return {"scores": [Scores(y.mean((2, 3))), Scores(y.mean((2, 3)), y)]}


@pytest.mark.parametrize("tracer", [lambda model: trace_symbolically(model, ()), lambda model: export(model, (X,))])
def test_a_graph_gives_dicts_for_dataclasses(tracer):
    model = Named().eval()
    graph = tracer(model)
    assert not [node for node in graph.graph.nodes if node.target is Scores]
    assert [list(scores) for scores in graph(X)["scores"]] == [["logits"], ["logits", "maps"]]
    assert error_between(graph, model, X) == 0
