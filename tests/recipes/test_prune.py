"""``prune``: channels leave, shortcuts stay, the rest learns from the whole network, and the result says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.conversion import completed
from rdpass.core.errors import ConfigError, NothingToConvert, TargetError
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.prune.find_channels import find_channels
from rdpass.passes.prune.importance import magnitude
from rdpass.recipes import prune as module
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.prune import PRUNE, block_of, pruned, remove_channels_and_distil
from rdpass.training.config import DistillConfig
from rdpass.training.options import PruneOptions
from rdpass.training.request import Request
from tests.data import batches
from tests.models import seeded
from tests.recipes.nets import EXAMPLE, hostile
from tests.support import Untouched, error_between

TWOS = PruneOptions(multiple=2)


def pruned_by(model, train=None, prune=TWOS, example=EXAMPLE, **more):
    config = DistillConfig(epochs=1, prune=prune)
    train = batches(3) if train is None else train
    return rdpass.convert(
        model, example, recipe="prune", train=train, config=config, show_progress=False, **more
    )  # fmt: skip


def request_of(train, **options):
    return Request(train=train, config=DistillConfig(prune=PruneOptions(**options)))


def test_a_network_loses_channels_and_keeps_its_shortcuts_and_the_result_says_how_it_went():
    model = seeded(hostile)
    before = Untouched(model)
    result = pruned_by(model, validate=batches(1, seed=1))
    before.check()
    assert {outcome.how for outcome in result.outcomes} == {"kept"}
    assert result.removed == ()
    assert result.cuts == ()
    assert result.cost.macs <= 0.7 * result.plan.forecast.model.macs
    assert [gate.name for gate in result.gates][:2] == ["eager-traced", "pruned"]
    assert result.gates[-1].name == "settled"
    assert result.compared[0].name == "top-1"
    widths = {width.layer: width.after for width in result.pruning.widths}
    layers = dict(result.student.named_modules())
    assert all(len(layers[layer].weight) == after for layer, after in widths.items())


def test_it_learns_from_the_labels_and_from_the_whole_network():
    result = pruned_by(seeded(hostile))
    terms = {name for name in result.history[-1] if name.startswith("loss.")}
    assert terms == {"loss.task", "loss.teacher"}
    whole = trace(seeded(hostile), EXAMPLE)
    start, _ = pruned(prepared_teacher(whole), Request(train=batches(3), config=DistillConfig(epochs=1, prune=TWOS)))
    assert error_between(result.student, start.module, EXAMPLE) > 1e-3


def test_a_network_without_shortcuts_is_pruned_too_and_one_without_channels_to_lose_ends_with_the_reason(tmp_path):
    chain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    assert pruned_by(chain).cost.macs < 0.7 * pruned_by(chain).plan.forecast.model.macs
    with pytest.raises(NothingToConvert, match="an output of the network"):
        pruned_by(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_widths_suit_the_kernels_of_the_target_in_the_precision_that_the_network_ends_in():
    assert block_of(PruneOptions()) == 4
    assert block_of(PruneOptions(precision="fp16", target="rpi5")) == 8
    assert block_of(PruneOptions(precision="int8")) == 16
    with pytest.raises(TargetError, match="no target is called"):
        block_of(PruneOptions(target="rpi99"))

    for asked, precision in ((None, "float32"), ("int8", "int8")):
        assert completed(PRUNE, DistillConfig(), asked, False).prune.precision == precision
    said = DistillConfig(prune=PruneOptions(precision="fp16"))
    assert completed(PRUNE, said, "int8", False).prune.precision == "fp16"


@pytest.mark.slow
def test_int8_at_the_end_has_blocks_of_bytes():
    wide = nn.Sequential(
        nn.Conv2d(3, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 4, 6), nn.Flatten()
    )
    result = pruned_by(wide, prune=PruneOptions(), quantize="int8", validate=batches(1))
    assert (result.pruning.multiple, result.pruning.widths[0].after) == (16, 16)
    first = next(tensor for tensor in result.int8.model.graph.initializer if len(tensor.dims) == 4)
    assert first.dims[0] == 16


def test_what_matters_is_asked_of_the_loss_where_there_is_one(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "magnitude", lambda *given: (asked.append("magnitude"), magnitude(*given))[1])
    prepared = prepared_teacher(trace(seeded(hostile), EXAMPLE))
    images = [image for image, _ in batches(2)]
    for data, importance, ranked in (
        (batches(2), "auto", "taylor"), (images, "auto", "magnitude"), (iter(batches(2)), "auto", "magnitude"),
        (batches(2), "magnitude", "magnitude"),
    ):  # fmt: skip
        _, pruning = pruned(prepared, request_of(data, importance=importance, multiple=2))
        assert pruning.importance == ranked
    assert len(asked) == 3
    with pytest.raises(ConfigError, match="have no targets"):
        pruned(prepared, request_of(images, importance="taylor"))
    with pytest.raises(ConfigError, match="can be read once alone"):
        pruned(prepared, request_of(iter(batches(2)), importance="taylor"))


def test_selections_of_shortcuts_are_refused():
    with pytest.raises(ConfigError, match="select shortcuts"):
        pruned_by(seeded(hostile), skip=["4.*"])


@pytest.mark.parametrize(("steps", "reads"), [(1, 4), (2, 10)])
def test_a_training_that_was_interrupted_ends_in_the_bits_of_one_that_was_not(tmp_path, steps, reads):
    """``reads``: of the data, until the interruption: two for what is told first, then two a choice, one an epoch."""
    teacher, state = trace(seeded(hostile), EXAMPLE), tmp_path / "checkpoint.pt"

    class Stopping(list):
        reads = 0

        def __iter__(self):
            self.reads += 1
            yield from super().__iter__()
            if self.reads == reads:
                raise KeyboardInterrupt

    def student_of(train, **more):
        options = PruneOptions(multiple=2, steps=steps)
        config = DistillConfig(epochs=2 * steps, prune=options)
        request = Request(train=train, config=config, show_progress=False, **more)
        return remove_channels_and_distil(teacher, plan_of(teacher), request)

    with pytest.raises(KeyboardInterrupt):
        student_of(Stopping(batches(2)), checkpoint=state)
    resumed, whole = student_of(batches(2), checkpoint=state, resume=True), student_of(batches(2))
    assert (resumed.pruning, resumed.history) == (whole.pruning, whole.history)
    states = [removal.student.module.state_dict().values() for removal in (resumed, whole)]
    assert all(map(torch.equal, *states))
    assert (tmp_path / "step1").exists() == (steps == 2)


def test_steps_take_their_parts_of_the_share_and_of_the_epochs_and_the_floor_is_of_the_first_widths():
    teacher = trace(seeded(hostile), EXAMPLE)
    options = PruneOptions(steps=3, share=0.5, floor=0.5, multiple=1, importance="magnitude")
    request = Request(train=batches(2), config=DistillConfig(epochs=4, prune=options), show_progress=False)
    removal = remove_channels_and_distil(teacher, plan_of(teacher), request)
    assert [gate.name for gate in removal.gates].count("pruned") == 3
    assert len(removal.history) == 4
    assert macs_of(removal.student.module) <= 0.5 * macs_of(teacher.module)
    before = {layer.path: len(layer.writes) for layer in find_channels(teacher.module, teacher.example).layers}
    assert {width.layer: width.before for width in removal.pruning.widths} == before
    assert all(width.after >= 0.5 * width.before for width in removal.pruning.widths)
    with pytest.raises(ConfigError, match="3 steps of pruning take 3 epochs"):
        remove_channels_and_distil(teacher, plan_of(teacher), Request(config=DistillConfig(epochs=2, prune=options)))


def test_what_is_not_said_is_its_own_choice():
    complete = PRUNE.complete(DistillConfig())
    assert (complete.lr, complete.alpha, complete.prune.share) == (0.04, 0.9, 0.3)
    assert not PRUNE.removes
