"""How much of the gradient comes through the teacher: asked without a trace."""

import torch

from rdpass.training.gradient_share import gradient_share
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.objective import Batch
from rdpass.training.records import read_history
from rdpass.training.request import Request
from tests.data import batches
from tests.training.support import distance, network, objective, trained


def test_asking_for_the_teachers_share_leaves_no_trace(tmp_path):
    class Asked(KnowledgeDistillation):
        asked = 0

        def gradient_share(self, batch):
            self.asked += 1
            loss = torch.stack(list(self(batch).values())).sum()
            loss.backward()
            return {"stage": 0.25}

    made = Asked(network(), network(), Request().criteria)
    quiet, first = trained(of=objective(), share_steps=0)
    asked, second = trained(of=made, share_steps=5, checkpoint=tmp_path / "c.pt", log_steps=100)
    assert first == second
    assert made.asked == 3
    assert distance(quiet, asked) == 0
    lines = [line for line in read_history(tmp_path / "history.jsonl") if "share.stage" in line]
    assert [line["step"] for line in lines] == [1, 6, 11]
    assert gradient_share(objective(), None) == {}


def test_gradients_statistics_and_generators_are_as_before_asking():
    class Asked(KnowledgeDistillation):
        def gradient_share(self, batch):
            torch.stack(list(self(batch).values())).sum().backward()
            torch.rand(3)
            return {"stage": 0.5}

    made = Asked(network(), network(), Request().criteria).train()
    for index, parameter in enumerate(made.student.parameters()):
        parameter.grad = torch.full_like(parameter, float(index))
    grads = [parameter.grad for parameter in made.student.parameters()]
    buffers = {name: buffer.clone() for name, buffer in made.named_buffers()}
    torch.manual_seed(4)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    images, labels = batches(1)[0]
    assert gradient_share(made, Batch((images,), labels)) == {"stage": 0.5}
    assert torch.equal(torch.rand(3), wanted)
    assert all(parameter.grad is grad for parameter, grad in zip(made.student.parameters(), grads, strict=True))
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in made.named_buffers())
