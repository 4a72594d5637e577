"""State dicts in files: found wherever they lie, beside whatever is data, and no code is run."""

import argparse
import contextlib
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from rdpass.core.errors import ConfigError
from rdpass.sources.checkpoints import read_states, split_key

STATE = {"weight": torch.ones(2)}


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
        assert all(isinstance(value, Tensor) for state in read_states(file).values() for value in state.values())


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, out=Path("run")), SimpleNamespace(name="x"), np.float64(93.2), np.int64(3),
        np.float32(1), np.array([1.0, 2.0]), np.bool_(True), OrderedDict(a=1), Path("run"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_settings_and_figures_beside_weights_do_not_keep_them_from_being_read(tmp_path, beside):
    torch.save({"model": STATE, "beside": beside}, tmp_path / "w.pth")
    states = read_states(tmp_path / "w.pth")
    assert list(states) == ["model"]
    assert torch.equal(states["model"]["weight"], STATE["weight"])


class Harmful:
    def __reduce__(self):
        return exec, ("raise AssertionError('code was run')",)


@pytest.mark.parametrize(
    ("content", "named"), [(Harmful(), "exec"), (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear")]
)
def test_what_could_run_code_is_refused_by_its_name(tmp_path, content, named):
    torch.save({"model": STATE, "net": content}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=f"as tensors alone \\(it holds {named}; is it a whole pickled model"):
        read_states(tmp_path / "w.pth")


def test_a_script_as_weights_is_refused_with_how_to_write_them(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(ConfigError, match=r"is a TorchScript archive; write its weights with torch\.save\("):
        read_states(tmp_path / "w.pt")


def test_every_state_dict_of_a_file_has_its_keys_and_tensors_of_optimisers_are_none(tmp_path):
    content = {**STATE, "ema": {"module": STATE}, "optimizer": {"state": STATE}, "lr_schedulers": [STATE], "epoch": 3}
    torch.save(content, tmp_path / "w.pth")
    assert {path: list(state) for path, state in read_states(tmp_path / "w.pth").items()} == {
        "": ["weight"],
        "ema.module": ["weight"],
    }


@pytest.mark.parametrize("content", [{1: torch.zeros(3), "a": torch.zeros(3)}, [STATE], torch.ones(3), {"a": 1}])
def test_what_has_no_tensors_by_name_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="holds no state dict"):
        read_states(tmp_path / "w.pt")


def test_a_file_and_its_key_are_told_apart_by_what_is_there(tmp_path):
    odd = tmp_path / "a:b.pth"
    odd.touch()
    assert split_key(odd) == (odd, "")
    assert split_key(f"{odd}:ema.module") == (odd, "ema.module")
    assert split_key("w.pth") == (Path("w.pth"), "")
    assert split_key("w.pth:ema") == (Path("w.pth"), "ema")
