"""``evaluate``: the first network is the standard, images are counted, what can't be measured is refused."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.core.processing import Processing
from rdpass.onnx.processing import save_processed
from tests.data import batches
from tests.models import small_resnet_of_four


def evaluated(*args, **keywords):
    return rdpass.evaluate(*args, show_progress=False, **keywords)


def perturbed(model):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    return other


def test_a_network_beside_itself_differs_by_nothing():
    model = small_resnet_of_four()
    first, second = evaluated({"a": model, "b": model}, batches(3)).networks
    assert (first.differences, first.agreement, first.sqnr) == ({}, None, None)
    assert first.figures == second.figures
    assert (second.differences["top-1"].value, second.differences["top-1"].error) == (0.0, 0.0)
    assert (second.agreement.value, second.sqnr) == (100.0, 200.0)


def test_figures_are_those_of_numpy():
    model, loader = small_resnet_of_four().eval(), batches(3)
    other = perturbed(model).eval()
    with torch.no_grad():
        a, b = (torch.cat([net(x) for x, _ in loader]).numpy() for net in (model, other))
    labels = torch.cat([y for _, y in loader]).numpy()
    right = [100.0 * (z.argmax(1) == labels) for z in (a, b)]
    found = evaluated([model, other], loader)
    assert found.images == 48
    first, second = found.networks
    assert first.figures["top-1"].value == pytest.approx(right[0].mean())
    gap = right[1] - right[0]
    assert second.differences["top-1"].value == pytest.approx(gap.mean())
    assert second.differences["top-1"].error == pytest.approx(gap.std(ddof=1) / np.sqrt(48))
    assert second.agreement.value == pytest.approx(100 * (a.argmax(1) == b.argmax(1)).mean())
    assert second.sqnr == pytest.approx(10 * np.log10((a**2).sum() / ((a - b) ** 2).sum()), rel=1e-4)


def test_a_limit_cuts_the_last_batch():
    model, loader = small_resnet_of_four(), batches(3)
    images, labels = loader[0][0], loader[0][1]
    few = evaluated(model, loader, images=20)
    assert few.images == 20
    assert (
        evaluated(model, loader, images=5).networks[0].figures
        == evaluated(model, [(images[:5], labels[:5])]).networks[0].figures
    )
    assert evaluated(model, loader, images=1000).images == 48


def test_images_without_labels_give_agreement_alone():
    model = small_resnet_of_four()
    found = evaluated([model, perturbed(model)], torch.randn(6, 3, 8, 8).numpy())
    assert [network.figures for network in found.networks] == [{}, {}]
    assert found.networks[1].agreement is not None
    assert found.networks[1].sqnr < 60


def test_a_loader_that_draws_gives_all_networks_the_same_images():
    class Drawing:
        def __iter__(self):
            yield torch.randn(4, 3, 8, 8), torch.randint(0, 4, (4,))

    model = small_resnet_of_four()
    before = torch.get_rng_state()
    found = [evaluated([model, model], Drawing()).networks for _ in range(2)]
    assert found[0] == found[1]
    assert found[0][1].sqnr == 200.0
    assert torch.equal(torch.get_rng_state(), before)


def test_networks_of_other_outputs_are_measured_each_by_itself():
    model = small_resnet_of_four()
    wider = nn.Sequential(model, nn.Linear(4, 12))
    second = evaluated([model, wider], batches(1)).networks[1]
    assert (second.agreement, second.sqnr, sorted(second.figures)) == (None, None, ["top-1", "top-5"])
    assert sorted(second.differences) == ["top-1"]


def test_probabilities_beside_scores_have_figures_and_no_noise(tmp_path):
    file = rdpass.convert(small_resnet_of_four(), torch.zeros(1, 3, 8, 8), recipe="keep").export_onnx(
        tmp_path / "a.onnx"
    )
    other = shutil.copy(file, tmp_path / "b.onnx")
    save_processed(Path(other), Processing(postprocess="softmax"))
    found = rdpass.evaluate([file, other], batches(1), show_progress=False).networks[1]
    assert (found.differences["top-1"].value, found.agreement.value, found.sqnr) == (0, 100, None)


def test_outputs_of_several_parts_take_a_metric():
    class Two(nn.Module):
        def forward(self, x):
            return {"scores": x.mean((2, 3)), "mask": x[:, :1]}

    def brightness(outputs, targets):
        return outputs["mask"].mean((1, 2, 3))

    found = evaluated(Two(), batches(2), metric=brightness).networks[0]
    assert list(found.figures) == ["brightness"]
    with pytest.raises(ConfigError, match="no logits"):
        evaluated(Two(), batches(2))


@pytest.mark.parametrize(
    ("networks", "data", "error", "words"),
    [
        ([], batches(1), ConfigError, "no network"),
        ("nowhere.onnx", batches(1), ConfigError, "nowhere.onnx"),
        (small_resnet_of_four(), [], DivergedError, "empty"),
        (small_resnet_of_four(), [(torch.full((1, 3, 8, 8), float("nan")), torch.zeros(1))], DivergedError, "finite"),
        (small_resnet_of_four(), [(torch.zeros(2, 3, 8, 8), torch.tensor([0, 9]))], ConfigError, "9 is no class"),
    ],
)
def test_what_can_not_be_evaluated_is_refused(networks, data, error, words):
    with pytest.raises(error, match=words):
        evaluated(networks, data)


def test_a_wrong_number_of_images_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        evaluated(small_resnet_of_four(), batches(1), images=0)
