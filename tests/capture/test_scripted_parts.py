"""What TorchScript runs is read by torch's converter: no shortcut hides in it."""

import io

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.scripted_parts import without_script
from rdpass.capture.trace import trace
from rdpass.core.errors import TraceError
from rdpass.inspection import plan_of
from tests.models import Residual, seeded, small_resnet
from tests.support import error_between

X = torch.randn(2, 3, 9, 9)


def saved(script):
    content = io.BytesIO()
    torch.jit.save(script, content)
    content.seek(0)
    return torch.jit.load(content)


WHOLE = {
    "scripted": lambda: torch.jit.script(seeded(small_resnet)),
    "traced": lambda: torch.jit.trace(seeded(small_resnet), X),
    "saved and loaded": lambda: saved(torch.jit.script(seeded(small_resnet))),
}


@pytest.mark.parametrize("build", WHOLE.values(), ids=WHOLE)
def test_a_script_is_converted_as_the_module_it_came_from(build):
    model = build()
    training = [getattr(module, "training", None) for module in model.modules()]
    traced = trace(model, X)
    assert [getattr(module, "training", None) for module in model.modules()] == training
    assert [region.verdict for region in plan_of(traced).regions] == ["removable"] * 3
    assert error_between(traced.module, seeded(small_resnet), torch.randn(3, 3, 9, 9)) <= 1e-5


def test_the_student_of_a_script_trains():
    conversion = rdpass.convert(torch.jit.script(seeded(small_resnet).train()), X, recipe="carry", max_macs=9)
    assert len(conversion.removed) == 3
    assert error_between(conversion.student, seeded(small_resnet), torch.randn(3, 3, 9, 9)) <= 1e-5
    conversion.student.train()(X).sum().backward()
    assert all(parameter.grad is not None for parameter in conversion.student.parameters())


def parts(*places):
    model = seeded(small_resnet)
    for place in places:
        model[place] = torch.jit.script(model[place])
    return model


@pytest.mark.parametrize("places", [(1,), (0, 2), (0, 1, 2, 3)])
def test_shortcuts_in_scripted_parts_are_found_with_all_others(places):
    model = parts(*places)
    traced = trace(model, X)
    assert [region.verdict for region in plan_of(traced).regions] == ["removable"] * 3
    assert error_between(traced.module, seeded(small_resnet), torch.randn(3, 3, 9, 9)) <= 1e-5


def test_a_frozen_part_whose_weights_are_constants_hides_nothing_either():
    model = seeded(small_resnet)
    model[1] = torch.jit.freeze(torch.jit.script(model[1]))
    assert not list(model[1].parameters())
    with pytest.raises(TraceError, match=r"1 is a TorchScript module.*--leaf 1"):
        trace(model, X)


def test_a_part_that_is_to_stay_whole_stays_and_hides_what_is_in_it():
    plan = rdpass.inspect(parts(1), X, leaf=["1"])
    assert len(plan.regions) == 2


def test_a_part_that_is_called_twice_is_read_once():
    part = torch.jit.script(seeded(lambda: Residual(nn.Conv2d(3, 3, 3, 1, 1))))
    model = nn.Sequential(part, nn.ReLU(), part)
    traced = trace(model, X)
    assert error_between(traced.module, model, X) <= 1e-6
    assert len(rdpass.inspect(model, X).regions) == 2


def test_a_scripted_function_is_followed():
    @torch.jit.script
    def join(x, y):
        return torch.relu(x + y)

    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, 1, 1)

        def forward(self, x):
            return join(x, self.conv(x))

    assert len(rdpass.inspect(seeded(Joined), X).regions) == 1


class Counting(nn.Module):
    """A loop whose length is a value: a script can, a graph can't."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.abs().max() > 1):
            x = self.conv(x) * 0.5
        return x


@pytest.mark.parametrize("whole", [True, False])
def test_a_script_that_no_graph_can_hold_is_refused_with_its_place(whole):
    script = torch.jit.script(seeded(Counting))
    model, where = (script, "the model is") if whole else (nn.Sequential(nn.ReLU(), script), "1 is")
    with pytest.raises(TraceError, match=rf"{where} a TorchScript module \(torch\.jit\) that can't be read"):
        trace(model, X)


def test_a_scripted_part_without_weights_stays_one_operation():
    model = nn.Sequential(torch.jit.script(nn.Hardswish()), seeded(small_resnet))
    assert without_script(model, (X,), ()) is model
    assert isinstance(model[0], torch.jit.ScriptModule)
    assert error_between(trace(model, X).module, model, X) <= 1e-6
