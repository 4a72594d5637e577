"""Networks by the names of libraries."""

import pytest

from rdpass.errors import ConfigError
from rdpass.models import load_model
from rdpass.torchvision_import import prepare_torchvision

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
