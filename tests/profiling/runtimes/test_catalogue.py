"""Runtimes by name: those there are, their short names, and what a user registers."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.profiling.runtimes.catalogue import OURS, PEERS, SHORT, runtimes


@pytest.mark.parametrize("name", PEERS)
def test_each_is_found_by_its_name_without_its_package(name):
    assert runtimes.find(name) is PEERS[name]


def test_short_names_are_of_runtimes_that_there_are_and_taken():
    assert set(SHORT.values()) <= set(PEERS)
    for name in (OURS, *SHORT):
        with pytest.raises(ConfigError, match=name):
            runtimes.register(name)(lambda work, threads: lambda x: x)


def test_an_unknown_name_is_none_and_what_can_not_be_called_is_refused():
    assert runtimes.get("tflite") is None
    with pytest.raises(ConfigError, match="runtime"):
        runtimes.register("mine")(3)
