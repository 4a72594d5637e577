"""Networks made by ``convert`` and measured: short, in full, in every precision, and what is kept of them."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.errors import ConfigError
from rdpass.fitting.networks import Network
from rdpass.fitting.trials import PROBE_STEPS, Trials
from rdpass.training.config import DistillConfig
from rdpass.training.options import PruneOptions
from tests.data import batches
from tests.models import bottleneck, classifier, seeded, small_resnet_of_four
from tests.support import Untouched

IMAGE = batches(1)[0][0][:1]
TRIALS = Trials(
    small_resnet_of_four(), (IMAGE,), batches(4), batches(2, seed=1), None, None, None, (), 9.0,
    DistillConfig(epochs=2, lr=0.01), None, show_progress=False,
)  # fmt: skip
AS_IT_IS, PLAIN = Network("as it is", "keep"), Network("plain", "kd", ("add", "add_1"), trains=True)


@pytest.mark.parametrize(
    ("epochs", "length", "probe"),
    [(10, 1000, (1, 200)), (100, 20, (10, 20)), (2, 4, (1, 2)), (1, 1, (1, 1)), (10, 100, (2, 100)), (4, 50, (1, 50))],
)
def test_a_probe_takes_few_steps_and_a_quarter_of_the_training_at_most(epochs, length, probe):
    trials = replace(TRIALS, train=batches(1, size=1) * length, config=DistillConfig(epochs=epochs))
    config = trials.probe_config()
    assert (config.epochs, config.batches, config.quantize.epochs) == (*probe, 0)
    assert config.epochs * config.batches <= PROBE_STEPS


def test_the_model_is_measured_by_its_classes_or_the_metric_and_left_as_it_was():
    before = Untouched(TRIALS.model)
    figure, teacher = TRIALS.baseline()
    before.check()
    assert (figure, teacher) == ("top-1", rdpass.evaluate(TRIALS.model, TRIALS.validate).networks[0].figures["top-1"])
    assert replace(TRIALS, metric=lambda outputs, targets: outputs.amax(1)).baseline()[0] == "<lambda>"
    with pytest.raises(ConfigError, match=r"no labels.*--metric"):
        replace(TRIALS, validate=[batches(1)[0][0]]).baseline()


def test_a_probe_is_measured_beside_the_model_in_float16_too_and_not_kept(tmp_path):
    before = Untouched(TRIALS.model)
    found = TRIALS.probe(PLAIN, ("float32", "fp16"))
    before.check()
    assert [(each.precision, each.how, each.images, each.folder) for each in found.measured] == [
        ("float32", "probe of 2 steps", 32, ""), ("fp16", "probe of 2 steps", 32, "")
    ]  # fmt: skip
    single, half = found.measured
    assert single.figure.value == pytest.approx(half.figure.value, abs=7)  # two images of 32
    assert single.drop == -single.difference.value
    assert found.seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_rounded_alone_is_kept_with_its_int8_file(tmp_path):
    found = TRIALS.untrained(AS_IT_IS, ("float32", "int8"), tmp_path / "points" / "as-it-is")
    assert [(each.precision, each.how, each.folder) for each in found.measured] == [
        ("float32", "as it is", "points/as-it-is"), ("int8", "rounded", "points/as-it-is")
    ]  # fmt: skip
    assert found.measured[0].difference.value == 0.0
    kept = rdpass.load_run(tmp_path / "points" / "as-it-is")
    assert kept.int8.report.training is None
    again = rdpass.evaluate({"model": TRIALS.model, "kept": tmp_path / "points" / "as-it-is" / "student-int8.onnx"},
                            TRIALS.validate, show_progress=False).networks[1]  # fmt: skip
    assert (again.figures["top-1"], again.differences["top-1"]) == (
        found.measured[1].figure,
        found.measured[1].difference,
    )


def test_a_training_that_was_saved_before_the_search_stopped_is_not_repeated(tmp_path, monkeypatch):
    out = tmp_path / "points" / "plain"
    first = TRIALS.trained(PLAIN, ("float32",), out)
    assert [(each.how, each.folder) for each in first.measured] == [("trained", "points/plain")]
    assert len(rdpass.load_run(out).history) == 2
    monkeypatch.setattr("rdpass.fitting.trials.convert", lambda *_, **__: pytest.fail("converted"))
    assert TRIALS.trained(PLAIN, ("float32",), out) == first


def test_a_pruned_network_keeps_its_shortcuts_and_learns_from_the_model(tmp_path):
    options = PruneOptions(multiple=1, importance="magnitude")
    trials = replace(TRIALS, train=batches(1), config=DistillConfig(epochs=1, lr=0.01, prune=options))
    out = tmp_path / "points" / "narrow"
    found = trials.trained(Network("narrow", "prune", trains=True, pruned=0.25), ("float32",), out)
    assert [(each.network, each.how, each.folder) for each in found.measured] == [
        ("narrow", "trained", "points/narrow")
    ]
    narrow = rdpass.load_run(out)
    assert (narrow.pruning.share, [outcome.how for outcome in narrow.outcomes]) == (0.25, ["kept", "kept"])
    assert narrow.cost.parameters < rdpass.inspect(trials.model, IMAGE).forecast.model.parameters
    assert narrow.compared[0].teacher == trials.baseline()[1]


def test_a_merged_network_is_trained_with_its_pairs_in_one_and_so_is_its_probe(tmp_path, monkeypatch):
    model = seeded(lambda: classifier(bottleneck(8, 4), bottleneck(8, 4), classes=4))
    trials = replace(TRIALS, model=model, train=batches(2), config=DistillConfig(epochs=1, lr=0.01))
    network = Network("merged", "migrate", ("add", "add_1"), trains=True, merged=True)
    before = Untouched(model)
    assert [each.how for each in trials.probe(network, ("float32",)).measured] == ["probe of 1 steps"]
    found = trials.trained(network, ("float32",), tmp_path / "points" / "merged")
    before.check()
    assert len(rdpass.load_run(tmp_path / "points" / "merged").merging.pairs) == 1
    plain = trials.probe(replace(network, name="plain", merged=False), ("float32",))
    assert sum(p.numel() for p in found.student.parameters()) < sum(p.numel() for p in plain.student.parameters())


def test_a_run_folder_without_an_int8_file_is_not_measured_in_int8(tmp_path):
    out = tmp_path / "points" / "as-it-is"
    TRIALS.untrained(AS_IT_IS, ("float32",), out)
    found = TRIALS.untrained(AS_IT_IS, ("float32", "int8"), out)
    assert [each.precision for each in found.measured] == ["float32"]
    assert [(each.add, each.reason) for each in found.skipped] == [
        ("as it is in int8", "the run folder holds no int8 file")
    ]  # fmt: skip


def test_a_recipe_that_treats_other_shortcuts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="plain: recipe carry treated other shortcuts: add, add_1"):
        replace(TRIALS, max_macs=1.0).untrained(
            Network("plain", "carry", ("add", "add_1")), ("float32",), tmp_path / "a"
        )


def test_outputs_that_float16_does_not_hold_are_left_out_with_the_reason():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, x):
            return 1e6 * (self.layer(x.mean((2, 3))) + 1)

    trials = replace(TRIALS, model=Large(), example=(torch.ones(1, 3, 8, 8),))
    found = trials.measure(
        AS_IT_IS, rdpass.convert(Large(), torch.ones(1, 3, 8, 8), recipe="keep"), ("float32", "fp16"), "as it is", 8
    )
    assert [each.precision for each in found.measured] == ["float32"]
    assert [(each.add, each.reason) for each in found.skipped] == [
        ("as it is in fp16", "its outputs in float16 are not finite")
    ]  # fmt: skip
