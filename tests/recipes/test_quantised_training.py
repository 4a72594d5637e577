"""Training with fake quantisation: what is trained is what the file holds, and it is kept where it is better."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.onnx.golden import find_golden
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.source import read_onnx
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from rdpass.passes.quantize.post_training import REPORT_KEY
from rdpass.passes.quantize.qdq_graph import QdqGraph
from rdpass.recipes.quantised_training import QuantisedDistillation, check_quantisable, train_quantised
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request
from tests.data import batches
from tests.models import seeded, small_resnet_of_four
from tests.support import Untouched

EXAMPLE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def config(epochs=2, lr=0.3, **more):
    return DistillConfig(**{"quantize": {"epochs": epochs, "lr": lr}, **more})


def request(**told):
    settings = {"train": batches(4), "config": config(), "show_progress": False, **told}
    return Request(**settings)


def student_of(model, example=EXAMPLE):
    return run_passes(trace(model, example), DEPLOY_FORM)


def weights_of(model):
    graph = QdqGraph(model.graph)
    found = [graph.integers(node.input[1]) for node in graph.graph.node if node.op_type in ("Conv", "Gemm")]
    return [each.values for each in found if each is not None]


@pytest.fixture(scope="module")
def made():
    """A residual network trained in int8, with its report and gates."""
    model = small_resnet_of_four()
    student, before = student_of(model), Untouched(model)
    result = train_quantised(student, model, request(validate=batches(2, seed=3)))
    before.check()
    return student, result


def test_integers_are_trained_on_the_scales_of_the_calibration(made):
    student, (int8, _) = made
    rounded = rdpass.quantize(
        student.module, EXAMPLE, calibrate=batches(4), validate=batches(2, seed=3), show_progress=False
    ).model
    if int8.report.training.kept == "trained":
        assert any((a != b).any() for a, b in zip(weights_of(int8.model), weights_of(rounded), strict=True))
    scales = [
        {t.name: onnx.numpy_helper.to_array(t).tolist() for t in each.graph.initializer if t.name.endswith("_scale")}
        for each in (int8.model, rounded)
    ]
    assert scales[0] == scales[1]
    assert [node.op_type for node in int8.model.graph.node] == [node.op_type for node in rounded.graph.node]


def test_what_is_trained_is_what_the_file_computes_as_the_gates_say(made):
    _, (_, gates) = made
    assert [(gate.name, gate.oracle, gate.tolerance) for gate in gates] == [
        ("int8-start", "integers", 5e-2),
        ("int8-trained", "integers", 5e-2),
    ]
    assert max(gate.error for gate in gates) < 1e-6


def test_the_report_has_three_accuracies_and_the_history(made):
    _, (int8, _) = made
    training = int8.report.training
    assert training.measure == "accuracy"
    assert [epoch["epoch"] for epoch in training.history] == [1.0, 2.0]
    assert training.trained == training.history[-1]["accuracy"]
    assert training.kept == ("trained" if training.trained >= training.rounded else "rounded")
    assert training.words[0] == "top class right"
    assert int8.report.accuracy_before == pytest.approx(training.float_network)
    told = next(entry.value for entry in int8.model.metadata_props if entry.key == REPORT_KEY)
    assert f'"kept": "{training.kept}"' in told


def test_it_is_saved_with_golden_integers(made, tmp_path):
    _, (int8, _) = made
    path = int8.save(tmp_path / "int8.onnx")
    source = read_onnx(path)
    golden = find_golden(source)
    assert golden.source == "integers"
    for stored, exact in zip(golden.outputs, integer_run(onnx.load(path), golden.inputs), strict=True):
        np.testing.assert_array_equal(stored, exact.astype(np.float32))
    with pytest.raises(ConfigError, match="exists already"):
        int8.save(path)


def test_a_training_that_ends_worse_is_said_so_and_its_network_is_not_kept(caplog):
    model = small_resnet_of_four()
    bad = request(validate=None, config=config(1, lr=50.0, alpha=1.0))
    int8, _ = train_quantised(student_of(model), model, bad)
    training = int8.report.training
    assert training.measure == "distance"
    assert training.trained > training.rounded > training.float_network
    assert training.kept == "rounded"
    assert "ended worse than rounding alone" in training.verdict
    assert "the int8 file holds the rounded network" in caplog.text
    alone = rdpass.quantize(student_of(model).module, EXAMPLE, calibrate=batches(4), show_progress=False).model
    assert all((a == b).all() for a, b in zip(weights_of(int8.model), weights_of(alone), strict=True))


class Named(nn.Module):
    """Two outputs in a dict, one in a list in it; batch norm behind a sum, which does not fold."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, image):
        x = torch.relu(self.norm(self.stem(image) + self.other(image)))
        pooled = x.mean((2, 3))
        return {"scores": self.head(pooled), "maps": [x]}


def loss(outputs, batch):
    return nn.functional.cross_entropy(outputs["scores"], batch.targets) + 0 * outputs["maps"][0].mean()


def test_outputs_in_containers_are_measured_by_the_users_loss_and_norms_that_are_left_stay():
    model = seeded(Named).eval()
    before = Untouched(model)
    told = request(validate=batches(2, seed=3), loss=loss)
    student = student_of(model)
    int8, gates = train_quantised(student, model, told)
    before.check()
    assert int8.report.training.measure == "validation_loss"
    assert len(int8.golden.outputs) == 2
    assert max(gate.error for gate in gates) < 1e-6


def test_only_integers_are_trained_and_the_student_stays_in_eval_mode():
    from rdpass.passes.quantize.fake_quantised import fake_quantised

    model = rdpass.quantize(seeded(Named).eval(), EXAMPLE, calibrate=batches(2), show_progress=False).model
    network = fake_quantised(model, "net")
    objective = QuantisedDistillation(network, small_resnet_of_four(), request().criteria)
    trained = {id(p) for p in objective.parameters() if p.requires_grad}
    assert trained == {id(parameter) for parameter in network.parameters()}
    objective.train()
    assert not any(module.training for module in objective.modules())


class Sorted(nn.Module):
    """A network that ONNX has no operator for."""

    def forward(self, x):
        return torch.linalg.svdvals(x).flatten(1)


def test_what_has_no_int8_file_is_refused_before_anything_is_trained():
    with pytest.raises(rdpass.core.errors.TraceError, match="can't be exported to ONNX"):
        check_quantisable(trace(Sorted(), EXAMPLE))
