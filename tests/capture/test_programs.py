"""What torch.export gives is analysed and converted like a model's own code, from memory and from a .pt2 file."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import rdpass
from rdpass.capture.programs import export_program, save_program, unpack_program
from rdpass.capture.trace import trace
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.sources.models import load_model
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import (
    Branches,
    PaddedChannels,
    PartialSum,
    PreActivation,
    Residual,
    SharedLayer,
    SqueezeExcite,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet_of_four,
)
from tests.support import Untouched, error_between

X = torch.randn(1, 3, 8, 8)
MODELS = {
    "basic blocks": small_resnet_of_four,
    "bottlenecks": lambda: classifier(bottleneck(4, 4, groups=2), bottleneck(4, 4, out=8, stride=2)),
    "inverted residuals": lambda: classifier(inverted_residual(8, 16)),
    "pre-activation, in place": lambda: classifier(PreActivation(8)),
    "gates": lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.SiLU(), SqueezeExcite(8), *conv_bn(8, 8)))),
    "linear branches": lambda: classifier(Branches(conv_bn(8, 8), conv_bn(8, 8, 1), nn.BatchNorm2d(8))),
    "a partial add": lambda: classifier(PartialSum(8)),
    "padded shortcuts": lambda: classifier(
        Residual(nn.Sequential(*conv_bn(4, 8, 3, 2), nn.ReLU(), *conv_bn(8, 8)), PaddedChannels(2, 8, 2))
    ),
    "a shared layer": lambda: classifier(SharedLayer(), channels=4),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_an_exported_graph_has_the_regions_of_the_model_and_becomes_a_student_that_computes_the_same(build):
    model = seeded(build)
    exported = unpack_program(export_program(model, (X,)))
    before = Untouched(exported)
    own, others = rdpass.inspect(model, X), rdpass.inspect(exported, X)
    assert [(r.kind, r.verdict, r.shape) for r in others.regions] == [(r.kind, r.verdict, r.shape) for r in own.regions]
    assert others.forecast.model == own.forecast.model
    first, second = (rdpass.convert(given, X, recipe="carry", max_macs=20) for given in (model, exported))
    assert [outcome.how for outcome in second.outcomes] == [outcome.how for outcome in first.outcomes]
    assert error_between(second.student, model, torch.randn(3, 3, 8, 8)) <= 1e-5
    before.check()


def test_a_student_distilled_from_an_exported_graph_is_plain_and_keeps_training():
    exported = unpack_program(export_program(seeded(small_resnet_of_four), (X,)))
    conversion = rdpass.convert(
        exported, X, recipe="migrate", train=batches(2), config=DistillConfig(epochs=1), show_progress=False
    )
    assert [outcome.how for outcome in conversion.outcomes] == ["distilled"] * 2
    assert rdpass.inspect(conversion.student, X).regions == ()
    conversion.student.train()(torch.randn(5, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in conversion.student.parameters())


class ByItsShape(nn.Module):
    """Decides by a shape in a module with weights: only torch.export follows it."""

    def __init__(self, named):
        super().__init__()
        self.named, self.first, self.net = named, nn.Conv2d(3, 3, 1), small_resnet_of_four()

    def forward(self, x):
        x = self.first(x)
        y = self.net(F.pad(x, (0, 1)) if x.shape[-1] % 2 else x)
        return {"logits": y, "twice": [y, 2 * y]} if self.named else y


@pytest.mark.parametrize("recipe", ["migrate", "joint"])
@pytest.mark.parametrize("named", [False, True])
def test_a_model_that_only_exporting_follows_is_trained_and_gives_what_it_gave(recipe, named):
    model = seeded(lambda: ByItsShape(named))
    assert trace(model, X).tracer == "torch.export"
    loss = (lambda out, batch: F.cross_entropy(out["logits"], batch.targets)) if named else None
    conversion = rdpass.convert(
        model, X, recipe=recipe, train=batches(2), loss=loss, show_progress=False,
        config=DistillConfig(epochs=1, paths={"mixed": True}),
    )  # fmt: skip
    assert [outcome.how for outcome in conversion.outcomes] == ["distilled"] * 2
    outputs, wanted = conversion.student(X), model(X)
    assert type(outputs) is type(wanted)
    assert not named or (outputs.keys() == wanted.keys() and len(outputs["twice"]) == 2)


class WritesIntoViews(nn.Module):
    """Adds to a part of a map, and overwrites a map of which a view is read later: torch's own tracing refuses."""

    def __init__(self):
        super().__init__()
        self.first, self.net = nn.Conv2d(3, 3, 3, 1, 1), small_resnet_of_four()

    def forward(self, x):
        y = self.first(x)
        y[:, 1:] += x[:, :2]
        rows = y.flatten(2)
        F.relu_(y)
        return self.net(y * rows.mean(2)[..., None, None])


def test_writing_into_views_is_followed_and_the_blocks_behind_it_are_found_and_go():
    model = seeded(WritesIntoViews)
    before = Untouched(model)
    traced = trace(model, X)
    assert traced.tracer == "torch.export"
    assert error_between(traced.module, model, torch.randn(3, 3, 8, 8)) <= 1e-6
    assert not any(str(node.target).split(".")[0].endswith("_") for node in traced.module.graph.nodes)
    conversion = rdpass.convert(model, X, recipe="carry", max_macs=20)
    before.check()
    assert [outcome.how for outcome in conversion.outcomes] == ["carried", "carried"]
    assert error_between(conversion.student, model, torch.randn(3, 3, 8, 8)) <= 1e-5


class PadsBySize(nn.Module):
    """Pads as TensorFlow does, by the size: only exporting follows."""

    def __init__(self):
        super().__init__()
        self.net = small_resnet_of_four()

    def forward(self, x):
        if max(x.shape[-2:]) % 2:
            x = F.pad(x, (0, 1, 0, 1))
        return self.net(x)


def loader():
    """Batches of odd images, for the command line to load."""
    return [(images[..., 1:, 1:], labels) for images, labels in batches(2)]


EXACT = ["--recipe", "carry", "--max-macs", "9"]
TRAINED = ["--data", "tests.capture.test_programs:loader", "--epochs", "1"]


@pytest.mark.parametrize("options", [EXACT, TRAINED], ids=["exact", "trained"])
def test_a_pt2_file_is_a_model_to_every_command(options, tmp_path, capsys):
    model, x = seeded(PadsBySize), torch.randn(1, 3, 7, 7)
    assert trace(model, x).tracer == "torch.export"
    save_program(model, (x,), tmp_path / "net.pt2")
    assert run(["inspect", str(tmp_path / "net.pt2"), "--quick", "--json"]) == 0
    assert [r["kind"] for r in json.loads(capsys.readouterr().out)["regions"]] == ["identity", "projection"]
    assert run(["convert", str(tmp_path / "net.pt2"), *options, "-o", str(tmp_path / "run")]) == 0
    student, example = load_model(str(tmp_path / "run" / "student.pt2"))
    assert rdpass.inspect(student, example).regions == ()
    assert options is TRAINED or error_between(student, model, x) <= 1e-5
    assert run(["export", str(tmp_path / "run"), "-o", str(tmp_path / "student.onnx")]) == 0


def test_equal_models_are_equal_bytes_that_name_no_place(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        conversion = rdpass.convert(seeded(small_resnet_of_four), X, recipe="carry", max_macs=20)
        save_program(conversion.student, (X,), tmp_path / name / "student.pt2")
    one, two = ((tmp_path / name / "student.pt2").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"site-packages" not in one
    assert str(tmp_path).encode() not in one


def test_a_file_of_a_quantised_program_is_said_to_be_one(tmp_path):
    from torch.ao.quantization.fx import _decomposed  # noqa: F401  (defines the operators)

    class Rounded(nn.Module):
        def forward(self, x):
            q = torch.ops.quantized_decomposed.quantize_per_tensor(x, 0.05, 0, -128, 127, torch.int8)
            return torch.ops.quantized_decomposed.dequantize_per_tensor(q, 0.05, 0, -128, 127, torch.int8)

    torch.export.save(torch.export.export(Rounded(), (X,)), tmp_path / "net.pt2")
    with pytest.raises(ConfigError, match=r"net\.pt2 is quantised \(it calls .*the float network.*rdpass quantize"):
        load_model(str(tmp_path / "net.pt2"))
