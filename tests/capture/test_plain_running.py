"""Autocast changes nothing while a model is read, its adds are seen, and it works again afterwards."""

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.plain_running import running_plainly
from rdpass.capture.trace import trace
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


class Within(nn.Module):
    """A block round the network, of the device that the input is on."""

    def __init__(self):
        super().__init__()
        self.net = small_resnet()

    def forward(self, x):
        with torch.autocast(x.device.type, torch.bfloat16):
            y = self.net(x)
        return y.float()


class Decorated(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small_resnet()

    @torch.autocast("cpu", torch.float16)
    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            x = x.float()
        return self.net(x)


def assigned():
    model = small_resnet()
    model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    return model


@pytest.mark.parametrize("build", [Within, Decorated, assigned])
def test_the_adds_of_a_model_under_autocast_are_seen_and_go_exactly(build, caplog):
    model = seeded(build).train()
    before = Untouched(model)
    conversion = rdpass.convert(model, X, recipe="carry", max_macs=9)
    before.check()
    assert len(conversion.removed) == 3
    assert "under autocast" in caplog.text
    assert "read in float32" in caplog.text
    assert error_between(conversion.student, seeded(small_resnet), X) <= 1e-5
    with torch.no_grad():
        assert model.eval()(X).sub(conversion.student(X)).abs().max() > 1e-5  # the model computes under autocast still


def test_a_block_around_the_call_itself_changes_nothing_either(caplog):
    with torch.autocast("cpu", torch.bfloat16):
        traced = trace(seeded(small_resnet), X)
        assert torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    assert traced.gates[0].error <= 1e-6
    assert caplog.text == ""


def test_autocast_works_again_after_an_error():
    def broken():
        with running_plainly(), torch.autocast("cpu", torch.bfloat16):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        broken()
    with torch.autocast("cpu", torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16


def test_what_blocks_asked_for_is_told_and_disabled_ones_ask_for_nothing():
    none = torch.autocast("cpu", torch.float16, enabled=False)
    with running_plainly() as asked, torch.autocast("cpu", torch.bfloat16), none:
        pass
    assert asked == [torch.bfloat16]
