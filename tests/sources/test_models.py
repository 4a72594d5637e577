"""Networks by the names of libraries, and the weights that users bring for them."""

import pytest

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import ConfigError
from rdpass.sources.models import load_model

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
    with pytest.raises(ConfigError, match="brings its weights along"):
        load_model("net.pt2", tmp_path / "w.pth")
