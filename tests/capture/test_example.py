"""An input for a model that came without one: guessed from its first convolution."""

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.example import infer_example
from rdpass.core.errors import TraceError


def test_without_an_example_the_first_convolution_tells_and_a_warning_says_so():
    with pytest.warns(UserWarning, match="taking 1x3x224x224"):
        plan = rdpass.inspect(nn.Sequential(nn.Conv2d(3, 2, 3, 8)))
    assert plan.regions == ()
    with pytest.raises(TraceError, match="no convolution"):
        rdpass.inspect(nn.Linear(3, 3))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(5, 2, 3), (1, 5, 224)),
        (nn.Conv2d(7, 2, 3), (1, 7, 224, 224)),
        (nn.Conv3d(1, 2, 3), (1, 1, 16, 112, 112)),
        (nn.Conv2d(8, 4, 1, groups=4), (1, 8, 224, 224)),
    ],
)
def test_a_convolution_of_any_dimension_tells_its_channels_and_where_it_is(layer, shape):
    with pytest.warns(UserWarning, match=rf"taking {'x'.join(map(str, shape))} from 1\.0"):
        example = infer_example(nn.Sequential(nn.ReLU(), nn.Sequential(layer), nn.Conv2d(99, 1, 1)))
    assert tuple(example.shape) == shape


def test_the_numbers_are_the_same_at_every_call_and_the_generator_stays_where_it_was():
    model, state = nn.Conv2d(3, 2, 3), torch.get_rng_state()
    with pytest.warns(UserWarning, match="taking 1x3x224x224"):
        first, second = (infer_example(model) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("model", [nn.ReLU(), nn.ConvTranspose2d(3, 3, 2), nn.Sequential(), nn.Linear(3, 3)])
def test_a_model_without_a_convolution_is_refused_by_its_name(model):
    with pytest.raises(TraceError, match=f"{type(model).__name__} has no convolution.*pass an example"):
        infer_example(model)
