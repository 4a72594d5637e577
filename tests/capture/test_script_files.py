"""TorchScript files are read where they compute tensors; what does more is refused before any of it runs."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rdpass.capture.script_files import is_script, load_script
from rdpass.core.errors import ConfigError
from rdpass.core.input_size import InputSize
from rdpass.inspection import inspect
from tests.models import seeded, small_resnet
from tests.support import error_between

X = torch.randn(2, 3, 9, 9)
Parts = dict[str, bytes]


def scripted() -> torch.jit.ScriptModule:
    return torch.jit.script(seeded(small_resnet))


def traced() -> torch.jit.ScriptModule:
    return torch.jit.trace(seeded(small_resnet), X)


def saved(module: torch.jit.ScriptModule, path: Path) -> Path:
    torch.jit.save(module, path, _extra_files={"config.txt": "beside"})
    return path


@pytest.mark.parametrize("build", [scripted, traced, lambda: torch.jit.freeze(scripted())])
def test_a_file_is_read_as_the_module_it_came_from(build, tmp_path):
    module, _ = load_script(saved(build(), tmp_path / "net.pt"))
    assert error_between(module, seeded(small_resnet), X) <= 1e-6
    assert [region.verdict for region in inspect(module, X).regions] == ["removable"] * 3


def test_a_file_that_was_traced_says_its_sizes_and_a_scripted_one_none(tmp_path):
    class Masked(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return image * (mask > 0)

    given = (X, torch.ones(2, 1, 9, 9, dtype=torch.int64))
    _, sizes = load_script(saved(torch.jit.trace(Masked(), given), tmp_path / "masked.pt"))
    assert sizes == (InputSize((2, 3, 9, 9), dtype="float32"), InputSize((2, 1, 9, 9), dtype="int64"))
    assert load_script(saved(scripted(), tmp_path / "net.pt"))[1] == ()


def test_files_of_scripts_are_known_by_what_they_hold(tmp_path):
    assert is_script(saved(scripted(), tmp_path / "of any.name"))
    torch.save(seeded(small_resnet).state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("text")
    assert not any(is_script(tmp_path / name) for name in ("state.pt", "text.pt", "none.pt", "."))


class Writes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "mark")
        return x


class WritesInABranch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            if bool(x.sum() > 0):
                torch.save(x, "mark")
        return x


class WritesBeside(nn.Module):
    """In a method that nobody calls."""

    @torch.jit.export
    def more(self, x: Tensor) -> Tensor:
        torch.save(x, "mark")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x


class WritesInAPart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = Writes()

    def forward(self, x: Tensor) -> Tensor:
        return x


class WritesWhenLoaded(nn.Module):
    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return torch.zeros(1), self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        torch.save(state[0], "mark")
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x


class Reads(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_file("/etc/hostname", False, 1)


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print("\x1b[2J")
        return x


class Forks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.jit.wait(torch.jit.fork(torch.relu, x))


@pytest.mark.parametrize(
    ("build", "where"),
    [
        (Writes, "forward calls aten::save"),
        (WritesInABranch, "forward calls aten::save"),
        (WritesBeside, "more calls aten::save"),
        (WritesInAPart, r"part\.forward calls aten::save"),
        (WritesWhenLoaded, "has __setstate__"),
        (Reads, "forward calls aten::from_file"),
        (Prints, "forward calls prim::Print"),
        (Forks, "forward calls prim::fork"),
    ],
)
def test_what_does_more_than_compute_is_refused_before_any_of_it_runs(build, where, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    path = saved(torch.jit.script(build()), tmp_path / "net.pt")
    with pytest.raises(ConfigError, match=f"could do more than compute tensors: .*{where}.*--trust-pickle"):
        load_script(path)
    assert os.listdir(tmp_path) == ["net.pt"]
    assert capfd.readouterr().out == ""


@pytest.mark.filterwarnings("ignore")
def test_a_file_of_integers_is_said_to_be_one(tmp_path):
    packed = torch.ao.nn.quantized.Conv2d(3, 2, 3)
    path = saved(torch.jit.script(nn.Sequential(packed)), tmp_path / "net.pt")
    with pytest.raises(ConfigError, match=r"net\.pt is quantised \(.*the float network.*rdpass quantize"):
        load_script(path)
    with pytest.raises(ConfigError, match="is quantised"):
        inspect(load_script(path, trusted=True)[0], X)


def test_whoever_trusts_a_file_gets_all_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, _ = load_script(saved(torch.jit.script(Writes()), tmp_path / "net.pt"), trusted=True)
    module(X)
    assert (tmp_path / "mark").exists()


def spoil(path: Path, change: Callable[[Parts], None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w") as written:
        for name, part in parts.items():
            written.writestr(name, part)
    return path


class Marks:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("part", ["data.pkl", "constants.pkl", "traced_inputs.pkl"])
def test_python_in_its_pickles_does_not_run(part, tmp_path):
    mark = tmp_path / "mark"
    path = spoil(saved(traced(), tmp_path / "net.pt"), lambda parts: parts.update({
        f"net/{part}": pickle.dumps({"forward": [Marks(mark)]}, protocol=2)
    }))  # fmt: skip
    if part == "traced_inputs.pkl":
        assert load_script(path)[1] == ()
    else:
        with pytest.raises(ConfigError, match="is a TorchScript file that torch can't load"):
            load_script(path)
    assert not mark.exists()


def foreign(parts: Parts) -> None:
    parts["net/code/../../out.so"] = b""


def of_cpp(parts: Parts) -> None:
    parts["net/code/__torch__/more.py"] = b"x : __torch__.torch.classes.any.Thing"


@pytest.mark.parametrize(("change", "told"), [(foreign, "is none of TorchScript's"), (of_cpp, "has torch.classes")])
def test_parts_that_do_not_belong_there_are_refused(change, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        load_script(spoil(saved(scripted(), tmp_path / "net.pt"), change))


def test_every_changed_byte_is_noticed_or_means_nothing(tmp_path):
    network = torch.jit.script(seeded(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())))
    path = saved(network, tmp_path / "net.pt")
    content, expected = path.read_bytes(), network(X)
    for place in range(0, len(content), 239):
        path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        try:
            module, _ = load_script(path)
        except ConfigError:
            continue
        assert torch.equal(module(X), expected)


def test_every_operator_of_torch_that_names_a_file_is_refused():
    from rdpass.capture.script_files import _WORLD

    schemas = [str(schema) for schema in torch._C._jit_get_all_schemas()]
    files = {text.split("(")[0].split(".")[0] for text in schemas if "str filename" in text}
    assert {name.removeprefix("aten::") for name in files if name.startswith("aten::")} <= _WORLD
    assert files
