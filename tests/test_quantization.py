"""``rdpass.quantize``: a network in, its int8 form out."""

import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import rdpass
from benchmarks.efficientnet_lite0 import EXPECTED, photograph, pretrained
from rdpass.core.errors import ConfigError, DivergedError, ParityError
from rdpass.onnx.golden import find_golden, golden_path
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.source import read_onnx
from rdpass.passes.quantize.post_training import REPORT_KEY
from rdpass.sources.models import load_model
from tests.data import batches
from tests.models import seeded, small_resnet_of_four
from tests.passes.quantize.nets import images, plain_student
from tests.support import Untouched


def example(rows=1):
    return torch.randn(rows, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A residual network in int8, with its file, and the model it came from."""
    model = small_resnet_of_four()
    place = tmp_path_factory.mktemp("int8") / "int8.onnx"
    before = Untouched(model)
    result = rdpass.quantize(
        model, example(), calibrate=batches(3), validate=batches(2, seed=5), out=place, show_progress=False
    )
    before.check()
    return model, result


def test_the_best_of_the_calibrators_on_the_validation_images_is_taken(made):
    report = made[1].report
    assert [trial.calibrator for trial in report.trials] == ["minmax", "percentile", "mse", "entropy"]
    best = max(report.trials, key=lambda trial: trial.sqnr)
    assert report.calibrator == best.calibrator
    assert (report.calibrated, report.compared, report.validated, report.held_out) == (48, 32, 32, False)
    assert (report.sqnr, report.agreement) == (best.sqnr, best.agreement)  # on the same images here
    assert report.sqnr > 25
    assert report.agreement > 90


def test_the_figures_are_those_of_the_file(made):
    model, result = made
    stored = onnx.load(result.path)
    right = same = 0
    for inputs, labels in batches(2, seed=5):
        for x, label in zip(inputs, labels, strict=True):
            got = integer_run(stored, [x[None].numpy()])[0].argmax()
            with torch.no_grad():
                right += int(model(x[None]).argmax() == label)
            same += int(got == label)
    assert result.report.accuracy_before == pytest.approx(100 * right / 32)
    assert result.report.accuracy_after == pytest.approx(100 * same / 32, abs=100 / 32)


def test_the_file_is_qdq_of_opset_21_with_golden_integers_beside_it(made):
    source = read_onnx(made[1].path)
    assert source.model.opset_import[0].version == 21
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in source.model.graph.node}
    golden = find_golden(source)
    assert golden.source == "integers"
    for stored, exact in zip(golden.outputs, integer_run(source.model, golden.inputs), strict=True):
        np.testing.assert_array_equal(stored, exact.astype(np.float32))
    assert [gate.name for gate in source.gates][-1] == "onnx-simplified"
    told = json.loads(next(entry.value for entry in source.model.metadata_props if entry.key == REPORT_KEY))
    assert told["calibrator"] == made[1].report.calibrator
    assert b"/tmp" not in made[1].path.read_bytes()


def test_equal_inputs_give_equal_bytes(made, tmp_path):
    model, result = made
    again = rdpass.quantize(model, example(), calibrate=batches(3), validate=batches(2, seed=5),
                            out=tmp_path / "int8.onnx", show_progress=False)  # fmt: skip
    assert again.path.read_bytes() == result.path.read_bytes()


def test_a_conversion_a_run_folder_and_a_file_are_taken_too(tmp_path):
    model = small_resnet_of_four()
    conversion = rdpass.convert(model, example(), max_macs=9.0, out=tmp_path / "run")
    file = conversion.export_onnx(tmp_path / "student.onnx")
    options = {"calibrate": batches(1), "calibrator": "minmax", "show_progress": False}
    results = [rdpass.quantize(given, **options) for given in (conversion, tmp_path / "run", file, onnx.load(file))]
    assert all(result.path is None for result in results)
    assert len({result.report.sqnr for result in results}) == 1
    assert results[0].report.held_out


def test_nothing_but_images_is_needed():
    result = rdpass.quantize(small_resnet_of_four(), calibrate=example(8), calibrator="mse", show_progress=False)
    assert (result.report.calibrated, result.report.validated) == (6, 2)
    assert (result.report.accuracy_before, result.report.accuracy_after) == (None, None)
    assert result.report.trials[0].calibrator == "mse"


def test_the_worst_layers_stay_in_float_and_the_noise_falls():
    feeds = np.concatenate([feed[0] for feed in images((1, 3, 9, 9), 12)])
    whole, mixed = (
        rdpass.quantize(plain_student(), calibrate=feeds, keep_worst=count, calibrator="minmax", show_progress=False)
        for count in (0, 2)
    )
    assert whole.report.layers == ()
    assert whole.report.kept == ()
    assert mixed.report.kept == tuple(layer.layer for layer in mixed.report.layers[:2])
    assert len(mixed.report.layers) == 6
    assert mixed.report.sqnr > whole.report.sqnr
    kept = [node for node in mixed.model.graph.node if node.name in mixed.report.kept]
    constants = {tensor.name for tensor in mixed.model.graph.initializer}
    assert all(node.input[1] in constants for node in kept)


def test_what_a_glob_names_stays_in_float():
    feeds = np.concatenate([feed[0] for feed in images((1, 3, 9, 9))])
    kept = rdpass.quantize(plain_student(), calibrate=feeds, keep=["*"], calibrator="minmax", show_progress=False)
    assert not any(node.op_type == "QuantizeLinear" for node in kept.model.graph.node)
    assert kept.report.sqnr == 200.0


def test_a_plain_student_gains_by_rounding_and_by_wide_diagonals():
    feeds = np.concatenate([feed[0] for feed in images((1, 3, 9, 9), 32)])
    nearest, rounded, wide = (
        rdpass.quantize(plain_student(), calibrate=feeds, calibrator="minmax", show_progress=False, **options).report
        for options in ({"rounding": "nearest"}, {}, {"rounding": "nearest", "diagonal": True})
    )
    assert (nearest.rounding, rounded.rounding) == ("nearest", "outputs")
    assert (len(nearest.widened), len(rounded.widened), len(wide.widened)) == (0, 0, 4)
    assert rounded.sqnr > nearest.sqnr + 1.5
    assert wide.sqnr > nearest.sqnr + 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activations": "u4"}, "activations are u8 or s8, not 'u4'"),
        ({"calibrator": "best"}, "no calibrator 'best'; it is one of auto, minmax, percentile, mse, entropy"),
        ({"rounding": "up"}, "rounding is outputs or nearest, not 'up'"),
        ({"images": 0}, "images and validate_images are at least 1"),
        ({"keep_worst": -1}, "keep_worst is at least 0"),
        ({"keep_worst": 99}, "keep_worst is 99, and the network has 6 layers"),
        ({"keep": ["nothing"]}, "'nothing' names no node, output or weight"),
        ({"calibrate": np.zeros((4, 3, 5, 5), np.float32)}, "are 3x5x5, and the model takes 3x9x9"),
        ({"calibrate": np.zeros((1, 3, 9, 9), np.float32)}, "one batch can't both calibrate and validate"),
        ({"model": 3}, "takes a module, a conversion, ONNX or a run folder, not a int"),
        ({"model": "none.onnx"}, "none.onnx can't be read"),
    ],
)
def test_what_can_not_be_is_refused_before_any_work(options, message, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("work has begun")

    monkeypatch.setattr("rdpass.passes.quantize.post_training.take_histograms", refuse)
    given = {"model": plain_student(), "calibrate": np.zeros((4, 3, 9, 9), np.float32), **options}
    with pytest.raises(ConfigError, match=message):
        rdpass.quantize(show_progress=False, **given)


def test_a_file_is_not_replaced_without_force_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    place = tmp_path / "int8.onnx"
    options = {"calibrate": np.ones((4, 3, 9, 9), np.float32), "calibrator": "minmax", "show_progress": False}
    golden_path(place).write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        rdpass.quantize(plain_student(), out=place, **options)
    with monkeypatch.context() as patched:
        patched.setattr("rdpass.passes.quantize.post_training.integer_run", lambda model, feed: [np.full((1, 5), 9.0)])
        with pytest.raises(ParityError, match="quantised: output 0 in integers has"):
            rdpass.quantize(plain_student(), out=place, force=True, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["int8.golden.npz"]
    rdpass.quantize(plain_student(), out=place, force=True, **options)
    with pytest.raises(ConfigError, match="is an input of this command"):
        rdpass.quantize(place, out=place, force=True, **options)
    assert find_golden(read_onnx(place)).source == "integers"


def test_data_that_fail_end_as_data(tmp_path):
    def broken():
        yield example()
        raise OSError("disk")

    with pytest.raises(DivergedError, match="disk"):
        rdpass.quantize(seeded(small_resnet_of_four), example(), calibrate=broken(), show_progress=False)


class Detector(nn.Module):
    """Two scales, joined by a transposed convolution, and three outputs; SiLU inside, a sigmoid at one end."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 2, 1)
        self.up, self.act = nn.ConvTranspose2d(16, 16, 2, 2), nn.SiLU()
        self.fine, self.coarse = nn.Conv2d(32, 6, 1), nn.Conv2d(16, 6, 1)

    def forward(self, x):
        near = self.act(self.first(x))
        far = self.act(self.second(near))
        joined = torch.cat([self.up(far), near], 1)
        larger = nn.functional.interpolate(far, scale_factor=2.0, mode="nearest")
        return torch.sigmoid(self.fine(joined)), self.coarse(far), larger


def test_a_detector_keeps_all_its_outputs(tmp_path):
    images_ = torch.randn(24, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    result = rdpass.quantize(Detector().eval(), calibrate=images_, out=tmp_path / "int8.onnx", show_progress=False)
    assert len(result.report.outputs) == 3
    assert min(result.report.outputs) > 30
    assert (result.report.agreement, result.report.accuracy_before) == (None, None)
    computing = {node.op_type for node in result.model.graph.node}
    assert {"ConvTranspose", "Resize", "Concat", "Sigmoid"} <= computing
    golden = find_golden(read_onnx(result.path))
    assert [output.shape for output in golden.outputs] == [(1, 6, 16, 16), (1, 6, 8, 8), (1, 16, 16, 16)]


def photographs(count, seed):
    """Crops of three photographs, mirrored at random."""
    generator = torch.Generator().manual_seed(seed)
    wide = [photograph(name, 256) for name in EXPECTED]
    crops = []
    for index in range(count):
        top, left = torch.randint(0, 32, (2,), generator=generator).tolist()
        crop = wide[index % 3][:, :, top : top + 224, left : left + 224]
        crops.append(crop.flip(-1) if index % 2 else crop)
    return torch.cat(crops)


@pytest.mark.slow
def test_photographs_keep_their_labels_in_efficientnet_lite0(tmp_path):
    result = rdpass.quantize(
        pretrained(), photograph("chelsea"), calibrate=photographs(24, 0), validate=photographs(6, 1),
        calibrator="minmax", out=tmp_path / "int8.onnx", show_progress=False,
    )  # fmt: skip
    assert result.report.agreement == 100
    for name, label in EXPECTED.items():
        assert integer_run(result.path, [photograph(name).numpy()])[0].argmax() == label


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "regnet_y_400mf"])
def test_networks_of_torchvision_are_integers_from_end_to_end(name):
    torch.manual_seed(0)
    model, _ = load_model(f"torchvision:{name}")
    images_ = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    model.train()(images_)  # batch norms that have seen data
    result = rdpass.quantize(model.eval(), calibrate=images_, calibrator="minmax", show_progress=False)
    assert result.report.sqnr > 15
    made = {output: node for node in result.model.graph.node for output in node.output}
    layers = [node for node in result.model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert {made[name].op_type for node in layers for name in node.input} == {"DequantizeLinear"}
