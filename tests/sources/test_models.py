"""Networks by the names of libraries and of files, and the weights that users bring for them."""

import pytest
import torch
from torch import nn

from benchmarks.fault_campaigns.trials import small_network
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import ConfigError
from rdpass.sources.models import files_of, load_model

prepare_torchvision()


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "lraspp_mobilenet_v3_large"])
def test_a_network_of_torchvision_has_random_weights_and_downloads_nothing(name, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("it wants to download weights")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    model, example = load_model(f"torchvision:{name}")
    assert example is None
    assert len(list(model.parameters())) > 50


def test_a_name_that_no_library_knows_is_said_to_be_unknown():
    with pytest.raises(ConfigError, match="torchvision:no_such_net can't be built"):
        load_model("torchvision:no_such_net")


def test_a_librarys_network_takes_keywords_that_are_literals():
    model, _ = load_model("timm:resnet18(num_classes=7, in_chans=1)")
    assert (model.fc.out_features, model.conv1.in_channels) == (7, 1)


@pytest.mark.parametrize("arguments", ["(print())", "(num_classes=f())", "(7)", "(**{})", "("])
def test_anything_else_in_its_parentheses_is_refused_and_not_run(arguments):
    with pytest.raises(ConfigError, match="can't be built"):
        load_model(f"timm:resnet18{arguments}")


def test_a_file_that_brings_its_weights_along_takes_no_others(tmp_path):
    for name in ("net.pt2", "net.ONNX", "net.torchscript"):
        with pytest.raises(ConfigError, match="brings its weights along"):
            load_model(name, tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["net.pt", "net.pt2", "of_no_kind"])
def test_a_script_is_known_by_what_it_holds_and_brings_its_sizes(name, tmp_path):
    path = tmp_path / name
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 2, 3).eval(), torch.zeros(1, 3, 7, 6)), path)
    model, example = load_model(str(path))
    assert isinstance(model, torch.jit.ScriptModule)
    assert [(tuple(x.shape), x.dtype) for x in example] == [((1, 3, 7, 6), torch.float32)]
    assert files_of(str(path)) == (path,)


def test_an_onnx_file_may_be_named_in_capitals(tmp_path):
    model, _ = load_model(str(small_network(tmp_path / "net.onnx").rename(tmp_path / "NET.ONNX")))
    assert len(list(model.parameters())) == 1


def test_a_pickled_module_is_refused_and_the_way_that_the_message_shows_works(tmp_path, monkeypatch):
    path = tmp_path / "net.pt"
    torch.save(nn.Sequential(nn.Conv2d(3, 2, 3)), path)
    with pytest.raises(ConfigError, match=r"is a pickled module, and reading one runs code") as refused:
        load_model(str(path))
    call = str(refused.value).partition("returns ")[2].partition(", and give")[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_network.py").write_text(f"import torch\ndef net():\n    return {call}\n")
    model, _ = load_model("own_network:net")
    assert isinstance(model[0], nn.Conv2d)


@pytest.mark.parametrize("name", ["state.pth", "last.ckpt", "old.bin"])
def test_weights_given_as_a_model_are_refused_with_what_to_write(name, tmp_path):
    state = nn.Conv2d(3, 2, 3).state_dict()
    torch.save(state if name != "last.ckpt" else {"state_dict": state, "epoch": 3}, tmp_path / name,
               _use_new_zipfile_serialization=name != "old.bin")  # fmt: skip
    with pytest.raises(ConfigError, match=rf"{name} holds weights without a network.*--weights .*{name}"):
        load_model(str(tmp_path / name))


def test_what_is_no_model_at_all_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    for name, told in (("notes.txt", "is of no kind that is read"), ("none.pt", "is not there"), (".", "is a folder")):
        with pytest.raises(ConfigError, match=told):
            load_model(str(tmp_path / name))
