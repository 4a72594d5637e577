"""Numbers that are not finite end a run within the step, or are recovered from; they are never kept."""

import pytest
import torch

from rdpass.core.errors import DivergedError
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.request import Request
from tests.data import batches
from tests.training.poisoned import Poisoned, is_finite
from tests.training.support import network, trained


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
