"""Stages run in order, each held to what it promised, and what fails is named with what ran before it."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import ParityError, PassError
from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.node_kinds import kind_of, shape_of
from rdpass.passes.graph.pass_manager import Pass, run_passes
from tests.models import conv_bn, seeded
from tests.support import Untouched

KEEPS = Pass("keeps", own_copy, 1e-6)


def traced():
    return trace(seeded(lambda: nn.Sequential(*conv_bn(3, 4), nn.ReLU())), torch.randn(1, 3, 6, 6))


def replaced(kind, module):
    """A pass that puts ``module`` in the place of the first node of that kind."""

    def run(graph_module):
        result = own_copy(graph_module)
        place_module(result, next(node for node in result.graph.nodes if kind_of(node) == kind), module)
        return tidy(result)

    return run


def test_every_stage_that_keeps_values_leaves_a_gate_and_the_others_none():
    given = traced()
    before = Untouched(given.module)
    wider = Pass("wider", replaced("activation", nn.ZeroPad2d(1)), None)
    result = run_passes(given, (KEEPS, wider, KEEPS))
    assert [gate.name for gate in result.gates] == ["eager-traced", "keeps", "keeps"]
    assert all(gate.error <= 1e-6 for gate in result.gates[1:])
    assert [kind_of(node) for node in result.module.graph.nodes][-2:] == ["pad", "output"]
    assert shape_of(list(result.module.graph.nodes)[-2]) == (1, 4, 8, 8)
    before.check()


def test_a_stage_that_moves_the_values_is_named_with_its_error_and_with_what_ran_before():
    moves = Pass("moves", replaced("activation", nn.Sigmoid()), 1e-6)
    with pytest.raises(ParityError, match=r"moves.*\(after keeps, keeps\)"):
        run_passes(traced(), (KEEPS, KEEPS, moves))
    with pytest.raises(ParityError, match=r"\(after no other pass\)"):
        run_passes(traced(), (moves,))


def test_a_stage_whose_graph_does_not_run_or_is_not_sound_is_named():
    misfits = Pass("misfits", replaced("batch_norm", nn.BatchNorm2d(5)), None)
    with pytest.raises(PassError, match=r"misfits \(after keeps\): "):
        run_passes(traced(), (KEEPS, misfits))

    def disorder(graph_module):
        result = own_copy(graph_module)
        first, second = [node for node in result.graph.nodes if node.op == "call_module"][:2]
        second.append(first)
        return result

    with pytest.raises(PassError, match=r"disorder \(after no other pass\): "):
        run_passes(traced(), (Pass("disorder", disorder, None),))
