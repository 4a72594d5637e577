import pytest
import torch
from torch import nn

import rdpass
from rdpass.errors import ConfigError, TraceError
from rdpass.tracing import trace
from tests.models import ControlFlow, ShapeFlow, TwoInputs, seeded, small_resnet
from tests.support import Untouched, error_between


def test_tracing_leaves_a_training_model_exactly_as_it_was():
    model = seeded(small_resnet).train()
    model.register_forward_hook(lambda *_: None)
    before = Untouched(model)
    traced = trace(model, torch.randn(1, 3, 9, 9))
    before.check()
    assert model.training
    assert not traced.module.training


def test_a_model_that_caches_what_it_saw_is_not_changed():
    class Caching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.seen = nn.Conv2d(3, 3, 1), None

        def forward(self, x):
            self.seen = x
            return self.conv(x) + x

    model = Caching()
    trace(model, torch.randn(1, 3, 4, 4))
    assert model.seen is None


def test_where_symbolic_tracing_fails_exporting_takes_over_and_the_student_still_trains():
    model = seeded(ShapeFlow)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    assert error_between(traced.module, model, torch.randn(2, 3, 8, 8)) <= 1e-6
    conversion = rdpass.convert(model, torch.randn(1, 3, 8, 8), recipe="carry", max_macs=10)
    assert [outcome.how for outcome in conversion.outcomes] == ["merged"]
    conversion.student.train()(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in conversion.student.parameters())


def test_a_model_that_no_tracer_follows_is_refused_with_its_own_line():
    with pytest.raises(TraceError, match=r"models\.py:\d+ \(if x\.sum\(\) > 0:\)"):
        trace(ControlFlow(), torch.randn(1, 3, 8, 8))


def test_a_graph_that_computes_something_else_is_refused():
    class Drifting(nn.Module):
        """What a tracer freezes at its first value changes with every call."""

        def __init__(self):
            super().__init__()
            self.conv, self.calls = nn.Conv2d(3, 3, 1), 0

        def forward(self, x):
            self.calls += 1
            return self.conv(x) * self.calls + x

    with pytest.raises(TraceError, match="differs by"):
        trace(Drifting(), torch.randn(1, 3, 8, 8))


@pytest.mark.parametrize("thing", [None, "resnet18", torch.randn(3), lambda x: x])
def test_what_is_no_module_is_refused(thing):
    with pytest.raises(ConfigError, match=r"expected a torch\.nn\.Module"):
        rdpass.inspect(thing, torch.randn(1, 3, 8, 8))


def test_an_example_of_the_wrong_shape_is_refused_with_that_shape():
    with pytest.raises(ConfigError, match="does not take an input of shape 1x4x8x8"):
        rdpass.inspect(seeded(small_resnet), torch.randn(1, 4, 8, 8))
    with pytest.raises(ConfigError, match="the example must be"):
        rdpass.inspect(seeded(small_resnet), ("x",))


def test_without_an_example_the_first_convolution_tells_and_a_warning_says_so():
    with pytest.warns(UserWarning, match="taking 1x3x224x224"):
        plan = rdpass.inspect(nn.Sequential(nn.Conv2d(3, 2, 3, 8)))
    assert plan.regions == ()
    with pytest.raises(TraceError, match="no convolution"):
        rdpass.inspect(nn.Linear(3, 3))


@pytest.mark.parametrize("returned", [lambda x: None, lambda x: "text", lambda x: (x, 1.5)])
def test_outputs_that_cannot_be_compared_are_refused(returned):
    class Returning(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return returned(self.conv(x) + x)

    with pytest.raises(ConfigError, match="must return tensors"):
        trace(Returning(), torch.randn(1, 3, 4, 4))


def test_several_inputs_are_given_as_a_tuple():
    plan = rdpass.inspect(TwoInputs(), (torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)))
    assert len(plan.skipped) == 1
