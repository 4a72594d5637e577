"""A .pt2 file is data: whatever in it would make torch run code is refused before torch sees it."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rdpass.capture.data_only import NotDataAlone, _check_expression, checked_archive
from rdpass.capture.programs import load_program, save_program
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from tests.models import bottleneck, classifier, inverted_residual, seeded, small_resnet_of_four
from tests.support import error_between

X = torch.randn(1, 3, 8, 8)
Parts = dict[str, bytes]


class Runs:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What is there once foreign code has run."""
    return tmp_path / "code ran"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    save_program(seeded(small_resnet_of_four), (X,), tmp_path / "good.pt2")
    return tmp_path / "good.pt2"


def spoil(path: Path, change: Callable[[Parts], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """A copy of the file with other parts."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path.with_name("spoiled.pt2"), "w", compression) as written:
        for name, part in parts.items():
            written.writestr(name, part)
    return path.with_name("spoiled.pt2")


def named(parts: Parts, end: str) -> str:
    return next(name for name in parts if name.endswith(end))


def edit(parts: Parts, end: str, change: Callable[[Any], None]) -> None:
    body = json.loads(parts[named(parts, end)])
    change(body)
    parts[named(parts, end)] = json.dumps(body).encode()


def replace_everywhere(old: str, new: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        text = parts[named(parts, "model.json")].decode()
        assert old in text
        parts[named(parts, "model.json")] = text.replace(old, json.dumps(new)[1:-1]).encode()

    return change


def pickled(mark: Path) -> bytes:
    stream = io.BytesIO()
    torch.save(Runs(mark), stream)
    return stream.getvalue()


def pickled_weight(parts: Parts, mark: Path) -> None:
    def change(body: Any) -> None:
        first = next(iter(body["config"].values()))
        first["use_pickle"] = True
        parts[named(parts, f"weights/{first['path_name']}")] = pickled(mark)

    edit(parts, "model_weights_config.json", change)


def custom_object(parts: Parts, mark: Path) -> None:
    def change(body: Any) -> None:
        body["config"]["c"] = {"path_name": "opaque_obj_0", "use_pickle": True, "is_param": False, "tensor_meta": None}

    edit(parts, "model_constants_config.json", change)
    parts["good/data/constants/opaque_obj_0"] = pickle.dumps(Runs(mark))


ENUMERATION = '"context": "{\\"__enum__\\": true, \\"fqn\\": \\"evil:Kind\\", \\"name\\": \\"A\\"}"'

HOSTILE: dict[str, Callable[[Parts, Path], None]] = {
    "pickled example inputs": lambda parts, mark: parts.update({named(parts, "model.pt"): pickled(mark)}),
    "a plain pickle as example": lambda parts, mark: parts.update({named(parts, "model.pt"): pickle.dumps(Runs(mark))}),
    "a pickled weight": pickled_weight,
    "a pickled object": custom_object,
    "a legacy file of weights": lambda parts, mark: parts.update({"good/data/weights/model.pt": pickled(mark)}),
    "an expression that calls": lambda parts, mark: replace_everywhere(
        "Symbol('s", f"__import__('os').mkdir('{mark}') or Symbol('s"
    )(parts),
    "an operator of Python's": lambda parts, mark: replace_everywhere("torch.ops.aten.relu.default", "torch.os.mkdir")(
        parts
    ),
    "an operator that opens files": lambda parts, mark: replace_everywhere(
        "torch.ops.aten.relu.default", "torch.ops.aten.from_file.default"
    )(parts),
    "an operator of an extension": lambda parts, mark: replace_everywhere("torch.ops.aten.relu.default", "#evil:mkdir")(
        parts
    ),
    "a module for an enumeration": lambda parts, mark: replace_everywhere('\\"context\\": \\"[]\\"', ENUMERATION)(
        parts
    ),
    "machine code": lambda parts, mark: parts.update({"good/data/aotinductor/model/model.so": b"\x7fELF"}),
    "a second program": lambda parts, mark: parts.update({"good/models/other.json": b"{}"}),
    "a part that is none": lambda parts, mark: parts.update({"good/extra/evil.py": b"import os"}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_could_run_code_is_refused_before_torch_sees_it(
    good: Path, mark: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Parts, Path], None]
) -> None:
    path = spoil(good, lambda parts: change(parts, mark))
    monkeypatch.setattr(torch.export, "load", lambda *arguments: pytest.fail("torch has read it"))
    with pytest.raises(ConfigError, match=r"spoiled\.pt2 could run code: .*--trust-pickle"):
        load_program(path)
    assert not mark.exists()


def test_every_command_refuses_and_one_that_is_told_to_trusts(
    good: Path, mark: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(spoil(good, lambda parts: HOSTILE["pickled example inputs"](parts, mark)))
    for words in (["inspect", path], ["convert", path, "-o", str(tmp_path / "o")], ["export", path, "-o", "s.onnx"]):
        assert run(words) == 2
        shown = capsys.readouterr().err
        assert "could run code" in shown
        assert len(shown.splitlines()) == 1
    assert not mark.exists()
    assert run(["inspect", path, "--trust-pickle"]) == 2  # what it gives is no example; but it was unpickled
    assert mark.exists()


MODELS = {
    "basic blocks": small_resnet_of_four,
    "bottlenecks": lambda: classifier(bottleneck(4, 4, groups=2), bottleneck(4, 4, out=8, stride=2)),
    "inverted residuals": lambda: classifier(inverted_residual(8, 16)),
    "a reshape by the batch": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Unflatten(1, (2, 2))),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_is_data_is_read_and_computes_the_same(tmp_path: Path, build: Callable[[], nn.Module]) -> None:
    model = seeded(build)
    save_program(model, (X,), tmp_path / "model.pt2")
    loaded, example = load_program(tmp_path / "model.pt2")
    trusted, _ = load_program(tmp_path / "model.pt2", trusted=True)
    assert torch.equal(example[0], X)
    with torch.no_grad():
        assert torch.equal(loaded(X), trusted(X))
        assert torch.allclose(loaded(X), model.eval()(X), atol=1e-6)


def test_two_parts_of_one_name_and_compressed_ones_are_refused(good: Path) -> None:
    with pytest.raises(NotDataAlone, match="is compressed"):
        checked_archive(spoil(good, lambda parts: None, zipfile.ZIP_DEFLATED).read_bytes())
    with zipfile.ZipFile(good, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], b"")
    with pytest.raises(NotDataAlone, match="or is there twice"):
        checked_archive(good.read_bytes())


@pytest.mark.parametrize("text", ["s0", "2*s0 + 1", "Symbol('s31', positive=True, integer=True)", "Max(1, s0//2)",
                                  "Mod(Symbol('u1', integer=True), 3)", "-s0", "Eq(s0, 4)"])  # fmt: skip
def test_arithmetic_on_symbols_is_arithmetic(text: str) -> None:
    _check_expression(text)


@pytest.mark.parametrize("text", [
    "__import__('os')", "().__class__", "s0.__class__", "open('x')", "(lambda: 0)()", "[x for x in y]", "exec('1')",
    "Symbol('__import__(1)')", "Symbol(name)", "s0[0]", "f'{s0}'", "s0 := 1", "1; 2", "", "(" * 9999, "s0 if s0 else 1",
    "Max(*s0)", "Symbol('s0').func", "globals", 7, None,
])  # fmt: skip
def test_everything_else_is_not(text: Any) -> None:
    with pytest.raises(NotDataAlone):
        _check_expression(text)


@pytest.mark.parametrize("size", [0, 10, 1000, -10])
def test_a_torn_file_is_named(good: Path, size: int) -> None:
    good.write_bytes(good.read_bytes()[:size])
    with pytest.raises(ConfigError, match=r"good\.pt2 is not a readable torch.export program"):
        load_program(good)


def test_the_containers_of_a_graph_are_data_and_are_read_as_lists_and_dicts(tmp_path):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_resnet_of_four()

        def forward(self, x):
            return [self.net(x), {"twice": 2 * x}]

    model = seeded(Nested)
    torch.export.save(torch.export.export(torch.fx.symbolic_trace(model), (X,)), tmp_path / "graph.pt2")
    assert b"immutable_list" in (tmp_path / "graph.pt2").read_bytes()
    loaded, _ = load_program(tmp_path / "graph.pt2")
    outputs = loaded(X)
    assert (type(outputs), type(outputs[1])) == (list, dict)
    assert error_between(loaded, model, X) <= 1e-6
