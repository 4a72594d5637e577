"""Students whose pairs of 1x1 convolutions merge: how they start, fade, end and are resumed; and who is told no."""

import logging

import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.errors import ConfigError
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.graph.layers import FadingActivation
from rdpass.recipes.pair_merging import fade_pairs
from rdpass.training.config import DistillConfig
from rdpass.training.options import StudentOptions
from tests.data import batches
from tests.models import Branches, basic_block, bottleneck, classifier, conv_bn, seeded
from tests.recipes.nets import EXAMPLE, hostile
from tests.support import Untouched, error_between

PAIRED = ("migrate", "anneal", "joint", "kd", "plain")


def bottlenecks():
    return classifier(bottleneck(8, 4), bottleneck(8, 4, stride=2, out=12), bottleneck(12, 4), channels=12, classes=4)


def merged(model, recipe="migrate", train=None, epochs=1, **options):
    settings = {"clip": 1.0, "lr": 0.01, "student": StudentOptions(merge_pairs=True, **options)}
    return rdpass.convert(
        model, EXAMPLE, recipe=recipe, train=train or batches(3), config=DistillConfig(epochs=epochs, **settings),
        show_progress=False,
    )  # fmt: skip


def gates_of(conversion):
    return {gate.name: gate for gate in conversion.gates}


@pytest.mark.parametrize("recipe", PAIRED)
def test_a_student_ends_plain_with_its_pairs_in_one_and_its_teacher_untouched(recipe):
    model = seeded(bottlenecks)
    before = Untouched(model)
    conversion = merged(model, recipe)
    before.check()
    check_plain(conversion.student)
    assert len(conversion.merging.pairs) == 2
    shapes = [tuple(m.weight.shape[:2]) for m in conversion.student.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(8, 3), (4, 8), (4, 4), (4, 4), (4, 4), (4, 4), (4, 4), (12, 4)]
    saved = sum(pair.macs - pair.merged_macs for pair in conversion.merging.pairs)
    assert conversion.cost.macs == conversion.plan.forecast.plain.macs - saved
    assert gates_of(conversion)["merge_pairs"].tolerance == 1e-9
    assert gates_of(conversion)["settled"].error <= 1e-4


def test_migrate_starts_as_its_teacher_all_the_same():
    assert gates_of(merged(seeded(bottlenecks)))["migrate-start"].error <= 1e-6


def test_a_start_from_new_weights_merges_too():
    conversion = merged(seeded(bottlenecks), "kd", initialise="dirac")
    assert len(conversion.merging.pairs) == 2
    check_plain(conversion.student)


def test_an_activation_fades_from_itself_to_none():
    fading = FadingActivation()
    fade_pairs(nn.Sequential(nn.Conv2d(3, 4, 1), fading), 0.3)
    assert fading.strength == 0.7
    x = torch.randn(2, 3)
    assert torch.allclose(fading(x.relu(), x), 0.7 * x.relu() + 0.3 * x)


def test_blocks_of_every_kind_beside_each_other_keep_what_does_not_merge():
    conversion = merged(seeded(hostile))
    pairs = [(pair.first, pair.second) for pair in conversion.merging.pairs]
    assert pairs == [("_1_body_6", "_2_body_0")]
    assert {outcome.how for outcome in conversion.outcomes} == {"distilled"}


class Counting(list):
    """Batches that say how often they were read, and stop in the reading ``last``."""

    def __init__(self, given, last=None):
        super().__init__(given)
        self.reads, self.last = 0, last

    def __iter__(self):
        self.reads += 1
        if self.reads == self.last:
            raise KeyboardInterrupt
        return super().__iter__()


def test_a_stopped_training_goes_on_to_the_very_student(tmp_path):
    def made(train, out, **keywords):
        config = DistillConfig(epochs=3, lr=0.01, student=StudentOptions(merge_pairs=True))
        return rdpass.convert(seeded(bottlenecks), EXAMPLE, recipe="migrate", train=train, config=config, out=out,
                              show_progress=False, **keywords)  # fmt: skip

    counting = Counting(batches(2))
    whole = made(counting, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        made(Counting(batches(2), counting.reads - 1), tmp_path / "run")
    assert (tmp_path / "run.partial" / "checkpoint.pt").is_file()
    resumed = made(batches(2), tmp_path / "run", resume="auto")
    assert error_between(resumed.student, whole.student, EXAMPLE) == 0
    loaded = rdpass.load_run(tmp_path / "run")
    assert loaded.merging == whole.merging == resumed.merging
    assert error_between(loaded.student, whole.student, EXAMPLE) <= 1e-6


def test_where_no_pair_is_worth_it_that_is_said_and_the_student_is_as_without(caplog):
    with caplog.at_level(logging.WARNING):
        conversion = merged(seeded(lambda: classifier(basic_block(4, 4), channels=4, classes=4)))
    assert "no pair of 1x1 convolutions is worth merging" in caplog.text
    assert conversion.merging.pairs == ()
    assert conversion.cost.macs == conversion.plan.forecast.plain.macs


def test_unasked_nothing_merges():
    config = DistillConfig(epochs=1, lr=0.01)
    conversion = rdpass.convert(seeded(bottlenecks), EXAMPLE, train=batches(2), config=config, show_progress=False)
    assert conversion.merging is None
    assert "merge_pairs" not in gates_of(conversion)
    assert conversion.cost.macs == conversion.plan.forecast.plain.macs


def test_auto_merges_pairs_beside_branches_and_says_so_where_nothing_is_trained():
    def branches():
        return nn.Sequential(Branches(conv_bn(8, 8), conv_bn(8, 8, 1), nn.BatchNorm2d(8)), nn.ReLU())

    conversion = merged(seeded(lambda: classifier(branches(), bottleneck(8, 4), bottleneck(8, 4), classes=4)), "auto")
    assert len(conversion.merging.pairs) == 1
    assert [outcome.how for outcome in conversion.outcomes] == ["merged", "merged", "distilled", "distilled"]
    untrained = merged(seeded(lambda: classifier(branches(), classes=4)), "auto")
    assert untrained.history == ()
    assert untrained.merging.pairs == ()
    assert "nothing was trained" in untrained.merging.skipped[0].reason


@pytest.mark.parametrize(("recipe", "data"), [("prune", True), ("keep", True), ("carry", False), ("auto", False)])
def test_recipes_that_train_no_plain_student_refuse_before_any_work(recipe, data):
    config = DistillConfig(epochs=1, student=StudentOptions(merge_pairs=True))
    with pytest.raises(ConfigError, match=r"no pair can merge: take one of migrate, anneal, joint, kd, plain"):
        rdpass.convert(bottlenecks(), EXAMPLE, recipe=recipe, train=batches(1) if data else None, config=config)


@pytest.mark.slow
def test_a_merged_student_is_trained_in_int8_at_the_end():
    config = DistillConfig(epochs=1, lr=0.01, student=StudentOptions(merge_pairs=True))
    conversion = rdpass.convert(
        seeded(bottlenecks), EXAMPLE, recipe="migrate", train=batches(2), validate=batches(1, seed=1), config=config,
        quantize="int8", target="rpi4", show_progress=False,
    )  # fmt: skip
    assert len(conversion.merging.pairs) == 2
    convolutions = [node for node in conversion.int8.model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 8
    costs = {(each.network, each.precision): each for each in conversion.estimated.choices}
    for precision in ("float32", "int8"):
        forecast, made = costs["plain, pairs merged", precision], costs["student", precision]
        assert made.ms == pytest.approx(forecast.ms, rel=0.02)
        assert made.ms < costs["plain", precision].ms
