"""Numbers that are not finite end a run within the step, or are recovered from; they are never kept."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import DivergedError
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.request import Request
from tests.data import batches
from tests.training.support import network, trained

NAN, INF = float("nan"), float("inf")


class Poisoned(KnowledgeDistillation):
    """At its ``at``-th call (counting from 0; afterwards too where ``lasting``) something is not finite."""

    def __init__(self, what, at, lasting=False):
        model = network(dropout=0.0)
        super().__init__(network(dropout=0.0), model, Request().criteria)
        self.what, self.at, self.lasting, self.calls = what, at, lasting, -1

    def forward(self, batch):
        self.calls += 1
        terms = super().forward(batch)
        if self.calls == self.at or (self.lasting and self.calls > self.at):
            if self.what == "loss":
                terms["task"] = terms["task"] * NAN
            elif self.what == "gradient":
                terms["task"] = terms["task"] + _InfiniteGradient.apply(self.student[0][0].weight)
            else:
                norm = next(m for m in self.student.modules() if isinstance(m, nn.BatchNorm2d))
                norm.running_var.data[0] = INF
        return terms


class _InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight):
        ctx.save_for_backward(weight)
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx, gradient):
        return torch.full_like(ctx.saved_tensors[0], INF)


def is_finite(state):
    tensors = [*state["objective"].values()]
    tensors += [value for slot in state["optimiser"]["state"].values() for value in slot.values()
                if isinstance(value, torch.Tensor)]  # fmt: skip
    return all(torch.isfinite(value).all() for value in tensors)


@pytest.mark.parametrize(
    ("what", "message"),
    [("loss", "the loss is nan"), ("gradient", "the gradient's norm is inf"), ("statistics", "statistics of a batch")],
)
def test_what_is_not_finite_stops_the_run_within_the_step_with_the_batch(tmp_path, what, message):
    made = Poisoned(what, at=11)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(DivergedError, match=rf"{message}.*at step 11, batch 3 of epoch 2") as raised:
        trained(batches(8, 8), of=made, checkpoint=path, checkpoint_steps=1)
    assert raised.value.exit_code == 5
    assert made.calls == 11
    assert all(torch.isfinite(parameter).all() for parameter in made.student.parameters())
    state = load_checkpoint(path)
    assert state["position"]["step"] == 11
    assert is_finite(state)


@pytest.mark.parametrize("kept", [True, False], ids=["on disk", "in memory"])
@pytest.mark.parametrize("what", ["loss", "gradient", "statistics"])
def test_a_rollback_goes_back_to_the_last_good_state_at_half_the_rate(tmp_path, what, kept):
    path = tmp_path / "checkpoint.pt" if kept else None
    made, history = trained(batches(8, 8), of=Poisoned(what, at=11), checkpoint=path, on_nan="rollback", log_steps=1)
    assert [record["epoch"] for record in history] == [1, 2]
    assert made.calls == 19  # twelve, and the second epoch again
    assert all(torch.isfinite(value).all() for value in made.student.state_dict().values())
    if path is not None:
        position = load_checkpoint(path)["position"]
        assert (position["lr_scale"], position["rollbacks"], position["skipped"]) == (0.5, 1, [])


def test_a_batch_that_fails_twice_is_left_out_and_a_run_that_goes_on_failing_ends(tmp_path):
    class Hostile(Poisoned):
        """Fails on one batch, whenever it comes."""

        def forward(self, batch):
            self.at = self.calls + 1 if float(batch.inputs[0][0, 0, 0, 0]) == 77.0 else -9
            return super().forward(batch)

    data = batches(8, 8)
    data[2][0][0, 0, 0, 0] = 77.0
    path = tmp_path / "checkpoint.pt"
    trained(data, of=Hostile("loss", -9), checkpoint=path, on_nan="rollback", max_rollbacks=4)
    position = load_checkpoint(path)["position"]
    assert position["skipped"] == [(0, 2), (1, 2)]
    assert position["lr_scale"] == 0.25
    with pytest.raises(DivergedError, match="after 2 recoveries"):
        trained(batches(8, 8), of=Poisoned("loss", 3, lasting=True), on_nan="rollback", max_rollbacks=2)


def test_inputs_that_are_not_finite_are_left_out_without_a_step_back(tmp_path):
    data = batches(8, 8)
    data[5][0][3, 1, 2, 2] = INF
    path = tmp_path / "checkpoint.pt"
    made, _ = trained(data, checkpoint=path, on_nan="rollback")
    position = load_checkpoint(path)["position"]
    assert position["skipped"] == [(0, 5), (1, 5)]
    assert position["lr_scale"] == 1.0
    assert position["step"] == 16
    assert all(torch.isfinite(value).all() for value in made.student.state_dict().values())
    with pytest.raises(DivergedError, match=r"batch 5 holds inputs that are not finite .*--on-nan rollback"):
        trained(data)


def test_weights_that_one_step_made_infinite_are_never_kept(tmp_path):
    class Exploding(KnowledgeDistillation):
        """A finite loss with finite gradients; what the step makes of them is not."""

        def forward(self, batch):
            terms = super().forward(batch)
            return {**terms, "push": 1e30 * self.student[0][0].weight.mean()}

    path = tmp_path / "checkpoint.pt"
    made = Exploding(network(), network(), Request().criteria)
    with pytest.raises(DivergedError):
        trained(batches(8, 8), of=made, checkpoint=path, checkpoint_steps=1, lr=1e10)
    assert not path.exists() or is_finite(load_checkpoint(path))


class Failing:
    def __init__(self, length, gives, error=None):
        self.length, self.gives, self.error = length, gives, error

    def __len__(self):
        return self.length

    def __iter__(self):
        yield from batches(self.gives, 8)
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (Failing(8, 3, OSError("disk gone")), "training loader failed at batch 3: OSError: disk gone"),
        (Failing(8, 3), "gave 3 batches where its length says 8"),
        (Failing(3, 8), "gave more batches than the 3 its length says"),
        (Failing(0, 0), "empty"),
    ],
    ids=["fails", "short", "long", "empty"],
)
def test_a_loader_that_fails_or_breaks_its_word_is_named_with_the_batch(loader, message):
    with pytest.raises(DivergedError, match=message):
        trained(loader)
