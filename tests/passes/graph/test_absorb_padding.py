"""Zeros become a convolution's own, be they uneven: causal ones, however they are written, go like any other."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import rdpass
from rdpass.capture.trace import trace
from rdpass.onnx.export import export_onnx
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.layers import UnevenConv1d, UnevenConv2d
from rdpass.passes.graph.linear.dirac import zeros_around
from rdpass.passes.graph.node_kinds import kind_of
from rdpass.training.config import DistillConfig
from tests.causal import FORMS, CutOff, causal_network
from tests.models import seeded
from tests.passes.graph.kinds import kinds
from tests.support import Untouched, error_between

LENGTH = 33


def test_zero_padding_moves_into_the_convolution_and_other_padding_stays():
    even = seeded(lambda: nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 4, 3, padding=1)))
    odd = seeded(lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)))
    filled = seeded(lambda: nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)))
    for model, pads in ((even, 0), (odd, 0), (filled, 1)):
        absorbed = absorb_padding(trace(model, torch.randn(1, 3, 8, 8)).module)
        assert kinds(absorbed).count("pad") == pads
        assert error_between(absorbed, model, torch.randn(2, 3, 8, 8)) <= 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_a_causal_convolution_is_one_layer_for_inputs_of_any_length(form):
    model = seeded(lambda: form(6, 5, 2))
    traced = trace(model, torch.randn(2, 6, LENGTH))
    before = Untouched(traced.module)
    absorbed = absorb_padding(traced.module)
    before.check()
    assert [kind_of(node) for node in absorbed.graph.nodes] == ["placeholder", "conv", "batch_norm", "output"]
    (conv,) = [layer for layer in absorbed.modules() if isinstance(layer, nn.Conv1d)]
    assert isinstance(conv, UnevenConv1d)
    assert (conv.before, conv.after) == ((4,), (0,))
    for length in (5, LENGTH, 64):
        assert error_between(absorbed, model, torch.randn(2, 6, length)) <= 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_a_causal_network_migrates_and_stays_causal(form):
    model = seeded(lambda: causal_network(form))
    x = torch.randn(2, 3, LENGTH)
    data = [torch.randn(4, 3, LENGTH) for _ in range(3)]
    before = Untouched(model)
    result = rdpass.convert(model, x, train=data, config=DistillConfig(epochs=2), show_progress=False)
    before.check()
    assert [outcome.reason for outcome in result.outcomes] == ["migrated onto 2 convolutions"] * 3
    check_plain(result.student)
    assert error_between(result.student, model, x) > 1e-3  # it has learnt, from what it started as
    later = x.clone()
    later[..., 20:] = torch.randn(2, 3, LENGTH - 20)
    with torch.no_grad():
        assert torch.equal(result.student(later)[..., :20], result.student(x)[..., :20])


def test_the_student_of_a_causal_network_is_exported_without_pads(tmp_path):
    import onnx

    model = seeded(lambda: causal_network(CutOff))
    data = [torch.randn(4, 3, LENGTH) for _ in range(2)]
    result = rdpass.convert(
        model, torch.randn(1, 3, LENGTH), train=data, config=DistillConfig(epochs=1), show_progress=False
    )
    path = export_onnx(result.student, result.example, tmp_path / "causal.onnx")
    assert {node.op_type for node in onnx.load(path).graph.node} == {"Conv", "Relu"}


class Around(nn.Module):
    """A convolution between two functions."""

    def __init__(self, conv, before=lambda x: x, after=lambda y: y):
        super().__init__()
        self.conv, self.before, self.after = conv, before, after

    def forward(self, x):
        return self.after(self.conv(self.before(x)))


KEPT = {
    "reflected": (nn.Conv1d(6, 6, 3), lambda x: F.pad(x, (2, 0), mode="reflect"), lambda y: y),
    "ones": (nn.Conv1d(6, 6, 3), lambda x: F.pad(x, (2, 0), value=1.0), lambda y: y),
    "cut off behind what mixes positions": (
        nn.Conv1d(6, 6, 3, padding=2), lambda x: x, lambda y: F.avg_pool1d(y, 3, 1, 1)[:, :, :-2]
    ),
    "more than the kernel reaches": (nn.Conv1d(6, 6, 3), lambda x: F.pad(x, (3, 0)), lambda y: y),
    "cropped by a pad": (nn.Conv1d(6, 6, 3, padding=2), lambda x: F.pad(x, (-1, 0)), lambda y: y),
    "channels padded": (nn.Conv1d(7, 6, 3), lambda x: F.pad(x, (0, 0, 0, 1)), lambda y: y),
    "pad read twice": (nn.Conv1d(6, 6, 3), lambda x: F.pad(x, (2, 0)), lambda y: y),
    "cut at the start": (nn.Conv1d(6, 6, 3, padding=2), lambda x: x, lambda y: y[:, :, 2:]),
    "cut to a length": (nn.Conv1d(6, 6, 3, padding=2), lambda x: x, lambda y: y[:, :, :LENGTH]),
    "cut after a stride": (nn.Conv1d(6, 6, 3, 2, padding=2), lambda x: x, lambda y: y[:, :, :-1]),
    "more cut off than padded": (nn.Conv1d(6, 6, 3, padding=1), lambda x: x, lambda y: y[:, :, :-2]),
    "channels cut": (nn.Conv1d(6, 6, 3, padding=1), lambda x: x, lambda y: y[:, :-1]),
    "every second": (nn.Conv1d(6, 6, 3, padding=2), lambda x: x, lambda y: y[:, :, :-2:2]),
    "circular": (nn.Conv1d(6, 6, 3, padding=1, padding_mode="circular"), lambda x: F.pad(x, (1, 0)), lambda y: y),
    "read before it is cut": (nn.Conv1d(6, 6, 3, padding=2), lambda x: x, lambda y: y[:, :, :-2] * y.mean()),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_is_no_such_padding_stays_as_it_is(name):
    conv, before, after = KEPT[name]
    model = seeded(lambda: Around(conv, before, after))
    if name == "pad read twice":
        model.before = lambda x: (padded := F.pad(x, (2, 0))) * padded.mean()
        model.after = lambda y: y
    x = torch.randn(2, 6, LENGTH)
    traced = trace(model, x)
    absorbed = absorb_padding(traced.module)
    assert not any(isinstance(layer, UnevenConv1d) for layer in absorbed.modules())
    assert len(absorbed.graph.nodes) == len(traced.module.graph.nodes)
    assert error_between(absorbed, model, x) <= 1e-6


def test_a_slice_of_an_exported_program_is_taken_in_too():
    model = seeded(lambda: nn.Sequential(CutOff(6, 6, 2), nn.ReLU()))
    x = torch.randn(2, 6, LENGTH)
    traced = trace(torch.export.export(model.eval(), (x,)).module(), x)
    absorbed = absorb_padding(traced.module)
    (conv,) = [layer for layer in absorbed.modules() if isinstance(layer, nn.Conv1d)]
    assert zeros_around(conv) == ((4,), (0,))
    assert error_between(absorbed, model, x) <= 1e-6


@pytest.mark.parametrize(("kernel", "zeros"), [(4, ((1,), (1,))), (3, ((1,), (0,)))])
def test_same_padding_counts_as_what_it_is(kernel, zeros):
    model = seeded(lambda: Around(nn.Conv1d(6, 6, kernel, padding="same"), after=lambda y: y[:, :, :-1]))
    x = torch.randn(2, 6, LENGTH)
    absorbed = absorb_padding(trace(model, x).module)
    (conv,) = [layer for layer in absorbed.modules() if isinstance(layer, nn.Conv1d)]
    assert zeros_around(conv) == zeros
    assert error_between(absorbed, model, x) <= 1e-6


def test_two_axes_are_padded_each_in_its_own_way():
    model = seeded(lambda: Around(nn.Conv2d(3, 4, (3, 5), padding=(0, 1)), lambda x: F.pad(x, (1, 0, 2, 0))))
    x = torch.randn(2, 3, 9, 8)
    absorbed = absorb_padding(trace(model, x).module)
    (conv,) = [layer for layer in absorbed.modules() if isinstance(layer, nn.Conv2d)]
    assert isinstance(conv, UnevenConv2d)
    assert (conv.before, conv.after) == ((2, 2), (0, 1))
    assert error_between(absorbed, model, x) <= 1e-6
