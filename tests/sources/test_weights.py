"""Weights that users bring: found in what training scripts write, refused by name where they are another network's."""

import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from rdpass.core.errors import ConfigError
from rdpass.sources.models import load_model
from rdpass.sources.weights import load_weights, read_weights


def resnet(classes=3):
    torch.manual_seed(5)
    return load_model(f"timm:resnet18(num_classes={classes})")[0]


@pytest.fixture
def trained():
    return resnet().state_dict()


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        lambda state: {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": dict(state)},
        lambda state: {"model": prefixed(state, "module.")},
        lambda state: prefixed(state, "_orig_mod."),
        lambda state: {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")},
    ],
    ids=["plain", "a checkpoint", "of DistributedDataParallel", "compiled", "of an old torch"],
)
def test_weights_are_found_in_what_training_scripts_write(trained, tmp_path, wrap):
    torch.save(wrap(trained), tmp_path / "w.pth")
    torch.manual_seed(6)
    model, _ = load_model("timm:resnet18(num_classes=3)", tmp_path / "w.pth")
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())


def test_safetensors_are_weights_too(trained, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    model, _ = load_model("timm:resnet18(num_classes=3)", tmp_path / "w.safetensors")
    assert torch.equal(model.fc.weight, trained["fc.weight"])


def whole_model(path):
    torch.save(resnet(), path)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["w.pth", "old.pth", "w.safetensors"]))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_gives_its_tensors_or_is_refused_and_never_crashes(tmp_path_factory, data, name):
    file, state = tmp_path_factory.mktemp("weights") / name, nn.Conv2d(3, 3, 3).state_dict()
    if name.endswith("safetensors"):
        save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=name != "old.pth")
    written = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(written) - 1), max_size=8)):
        written[place] = data.draw(st.integers(0, 255))
    file.write_bytes(written[: data.draw(st.integers(0, len(written)))])
    with contextlib.suppress(ConfigError):
        assert all(isinstance(value, Tensor) for value in read_weights(file).values())


def another_network(path):
    torch.save({"fc.bias": torch.ones(3), "x": torch.ones(1)}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "can't be read"),
        (lambda path: path.write_bytes(b""), "can't be read"),
        (lambda path: path.write_bytes(b"PK\x03\x04 torn"), "can't be read"),
        (whole_model, "a whole pickled model"),
        (lambda path: torch.save([1, 2], path), "holds no state dict"),
        (lambda path: torch.save({}, path), "holds no state dict"),
        (lambda path: torch.save(resnet(10).state_dict(), path), r"2 of another shape \(fc.weight 10x512 for .* 3x512"),
        (another_network, r"missing \(.*1 not in the model \(x\)"),
    ],
    ids=["absent", "empty", "torn", "a pickled model", "a list", "nothing", "ten classes", "another network"],
)  # fmt: skip
def test_weights_that_are_not_this_models_are_refused_by_name(tmp_path, write, message):
    write(tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=message):
        load_model("timm:resnet18(num_classes=3)", tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda w: w.to_sparse(), "sparse_coo float32"),
        (lambda w: w.to("meta"), "meta float32"),
        (lambda w: w.to(torch.complex64), "strided complex64"),
        (lambda w: w.to(torch.int8), "strided int8"),
        (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "strided qint8"),
    ],
)
def test_tensors_that_would_lose_something_are_named_with_their_kind(tmp_path, change, kind):
    network = torch.nn.Conv2d(3, 4, 3)
    state = {**network.state_dict(), "weight": change(network.weight.detach())}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match=rf"1 no dense tensors of the model's kind of numbers \(weight \({kind}\)\)"):
        load_weights(torch.nn.Conv2d(3, 4, 3), tmp_path / "w.pt")


def test_names_that_are_no_text_are_no_state_dict(tmp_path):
    torch.save({1: torch.zeros(3), "a": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="holds no state dict"):
        load_weights(torch.nn.Conv2d(3, 4, 3), tmp_path / "w.pt")


def test_other_precisions_of_the_same_kind_are_copied(tmp_path):
    network = torch.nn.Conv2d(3, 4, 3)
    for kind in (torch.float64, torch.float16, torch.bfloat16):
        torch.save({name: value.to(kind) for name, value in network.state_dict().items()}, tmp_path / "w.pt")
        loaded = torch.nn.Conv2d(3, 4, 3)
        load_weights(loaded, tmp_path / "w.pt")
        assert torch.allclose(loaded.weight, network.weight, atol=1e-2)
