import contextlib

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError, TraceError
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


class Mask(nn.Module):
    """No weights, and a branch on a value: symbolic tracing stops here."""

    def forward(self, x):
        return x if x.abs().max() > 0 else x * 0


class Gate(nn.Module):
    """The same with weights."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x) if x.abs().max() > 0 else x


class Lived(nn.Module):
    """A model in use: hooks of every kind, a buffer that is not saved, frozen parts, gradients, a part in eval mode."""

    def __init__(self, inner):
        super().__init__()
        self.net, self.inner = small_resnet(), inner
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        self.seen.add_(1)
        return self.net(self.inner(x))


def lived(inner):
    model = seeded(lambda: Lived(inner)).train()
    model.net[1].eval()
    model.net[0][0].weight.requires_grad_(False)
    model.net[2].register_forward_hook(lambda module, inputs, output: None)
    model.net[2].register_forward_pre_hook(lambda module, inputs: None)
    model.net[3].register_full_backward_hook(lambda module, gradients, outputs: None)
    model.register_state_dict_pre_hook(lambda *_: None)
    model(torch.randn(2, 3, 9, 9)).sum().backward()
    return model


class Padded(nn.Module):
    """Pads by a size, so that symbolic tracing fails and exporting does not."""

    def forward(self, x):
        return nn.functional.pad(x, (0, 1)) if x.shape[-1] % 2 else x


@pytest.mark.parametrize("inner", [nn.Identity(), Mask(), Padded(), Gate()], ids=lambda inner: type(inner).__name__)
def test_no_rung_changes_anything_of_a_model_in_use_whether_it_succeeds_or_not(inner):
    model, x = lived(inner), torch.randn(2, 3, 9, 9)
    before, random, given = Untouched(model), torch.get_rng_state(), x.clone()
    for look in (trace, rdpass.inspect, lambda *a: rdpass.convert(*a, recipe="carry", max_macs=9)):
        with contextlib.suppress(TraceError):
            look(model, x)
        before.check()
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, given)


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


class Around(nn.Module):
    """A residual block round one of the two."""

    def __init__(self, inner):
        super().__init__()
        self.first, self.inner, self.last = nn.Conv2d(3, 3, 3, 1, 1), inner, nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x):
        return self.last(torch.relu(self.inner(self.first(x)))) + x


def test_a_module_without_weights_that_cannot_be_followed_becomes_a_leaf_by_itself():
    model = seeded(lambda: Around(Mask()))
    before = Untouched(model)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    before.check()
    assert traced.tracer == "leaf modules"
    assert [str(node.target) for node in traced.module.graph.nodes if node.op == "call_module"].count("inner") == 1
    plan = rdpass.inspect(model, torch.randn(1, 3, 8, 8))
    assert [region.kind for region in plan.regions] == ["identity"]


def test_a_module_with_weights_is_named_as_the_leaf_to_pass_and_the_conversion_works_on_it():
    model = seeded(lambda: Around(Gate()))
    with pytest.raises(
        TraceError, match=r"test_trace\.py:\d+ \(return self\.conv\(x\) if.*leaf=\['inner'\], --leaf inner"
    ):
        trace(model, torch.randn(1, 3, 8, 8))
    plan = rdpass.inspect(model, torch.randn(1, 3, 8, 8), leaf=["inner"])
    assert [(region.verdict, region.reason) for region in plan.regions] == [
        ("kept", "inner in the body, a Gate, was not looked into")
    ]
    student = seeded(lambda: nn.Sequential(Around(Gate()), small_resnet()))
    conversion = rdpass.convert(student, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=20, leaf=["*.inner"])
    assert len(conversion.removed) == 3
    assert error_between(conversion.student, student, torch.randn(2, 3, 9, 9)) <= 1e-5


def test_a_leaf_that_names_nothing_is_refused():
    with pytest.raises(ConfigError, match="leaf 'nowhere' names no submodule"):
        trace(seeded(small_resnet), torch.randn(1, 3, 9, 9), leaf=["nowhere"])


def test_a_graph_that_holds_for_one_batch_size_alone_is_refused():
    class RowByRow(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, 1, 1)

        def forward(self, x):
            return torch.cat([self.conv(row) for row in x.split(1)]) + x

    with pytest.raises(TraceError, match=r"symbolic_trace: .*test_trace\.py.*torch\.export: "):
        trace(RowByRow(), torch.randn(2, 3, 4, 4))


def test_a_model_with_a_cached_tensor_of_its_own_is_refused_with_what_to_do():
    model = nn.Conv2d(3, 3, 1)
    model.seen = model(torch.randn(1, 3, 4, 4))
    with pytest.raises(ConfigError, match="clear what it cached"):
        trace(model, torch.randn(1, 3, 4, 4))


def test_numbers_that_overwrite_their_input_leave_the_example_and_the_generator_alone():
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return nn.functional.conv2d(x.mul_(2), self.conv.weight) + x

    model, x = Overwriting(), torch.randn(1, 3, 4, 4)
    kept, state = x.clone(), torch.get_rng_state()
    trace(model, x)
    assert torch.equal(x, kept)
    assert torch.equal(torch.get_rng_state(), state)


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
