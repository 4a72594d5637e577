import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.passes.graph.annotate import annotate
from rdpass.training.batches import Unpacking, rows_of, step_named, unpacking_for
from rdpass.training.objective import Batch
from tests.models import TwoInputs, small_resnet

A, B, Y = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 1])
ONE, TWO = Unpacking(("x",), 1), Unpacking(("x", "y"), 2)


@pytest.mark.parametrize(
    ("unpacking", "raw", "inputs", "targets"),
    [
        (ONE, A, (A,), None),
        (ONE, [A], (A,), None),
        (ONE, (A, Y), (A,), Y),
        (ONE, [A, {"boxes": Y}], (A,), {"boxes": Y}),
        (ONE, ((A,), Y), (A,), Y),
        (ONE, {"x": A, "label": Y}, (A,), Y),
        (ONE, {"inputs": A, "mask": Y, "weight": B}, (A,), {"mask": Y, "weight": B}),
        (ONE, {"x": A}, (A,), None),
        (TWO, (A, B), (A, B), None),
        (TWO, ((A, B), Y), (A, B), Y),
        (TWO, [A, B, Y], (A, B), Y),
        (TWO, {"y": B, "label": Y, "x": A}, (A, B), Y),
    ],
)
def test_every_form_of_batch_gives_inputs_in_order_and_what_lies_beside_them(unpacking, raw, inputs, targets):
    batch = unpacking.batch(raw, 0)
    assert len(batch.inputs) == len(inputs)
    assert all(got is wanted for got, wanted in zip(batch.inputs, inputs, strict=True))
    assert batch.targets is targets or batch.targets.keys() == targets.keys()
    assert rows_of(batch) == 2


@pytest.mark.parametrize(
    ("unpacking", "raw", "message"),
    [
        (ONE, [A, B, Y], "batch 7 .* for a model of x: got a list of Tensor, Tensor, Tensor"),
        (ONE, {"image": A}, "got a dict of 'image'"),
        (ONE, "text", "got str"),
        (ONE, [], "got a list of nothing"),
        (ONE, (3, Y), "got a tuple of int, Tensor"),
        (TWO, A, "for a model of x, y: got Tensor"),
        (TWO, {"x": A, "label": Y}, "got a dict"),
    ],
)
def test_a_batch_of_no_known_form_is_named_with_its_index_and_what_it_is(unpacking, raw, message):
    with pytest.raises(DivergedError, match=message):
        unpacking.batch(raw, 7)


def test_the_models_inputs_are_read_off_its_graph_or_its_signature():
    assert unpacking_for(small_resnet()) == Unpacking(("input",), 1)
    assert unpacking_for(torch.fx.symbolic_trace(TwoInputs())) == Unpacking(("x", "y"), 2)

    class Masked(nn.Module):
        def forward(self, image, mask=None):
            return image if mask is None else image * mask

    assert unpacking_for(Masked()) == Unpacking(("image", "mask"), 1)
    assert unpacking_for(torch.fx.symbolic_trace(Masked(), {"mask": None})).needed == 1


class Labelled(nn.Module):
    """As transformers' models take their inputs, all of them optional, and labels to give a loss for."""

    def forward(self, pixel_values=None, labels=None, output_hidden_states=None):
        raise NotImplementedError


def test_labels_that_a_model_may_take_are_targets_and_those_that_it_needs_are_inputs():
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    batch = unpacking_for(Labelled()).batch({"pixel_values": x, "labels": y}, 0)
    assert batch.inputs == (x,)
    assert batch.targets is y

    class Needed(nn.Module):
        def forward(self, pixel_values, labels):
            raise NotImplementedError

    batch = unpacking_for(Needed()).batch({"pixel_values": x, "labels": y}, 0)
    assert batch.inputs == (x, y)


def test_a_script_names_its_inputs_too():
    class Masked(nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            return image if mask is None else image * mask

    assert unpacking_for(torch.jit.script(Masked())) == Unpacking(("image", "mask"), 1)


def test_a_step_that_fails_names_its_batches():
    two = [Batch((A,), Y), Batch((A,), Y)]
    with pytest.raises(ConfigError, match=r"^batch 6 to 7: no labels"), step_named(two, 6):
        raise ConfigError("no labels")
    with pytest.raises(ConfigError, match=r"^batch 6: no labels"), step_named(two[:1], 6):
        raise ConfigError("no labels")
    with (
        pytest.raises(DivergedError, match="batch 7 has one row: no variance"),
        step_named([two[0], Batch((A[:1],), Y[:1])], 6),
    ):
        raise ValueError("no variance")
    with pytest.raises(ValueError, match="something else"), step_named(two, 6):
        raise ValueError("something else")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (torch.randn(2, 1, 4, 4), "Nx1x4x4:float32"),
        (torch.randn(2, 3, 4, 4).double(), "Nx3x4x4:float64"),
        (torch.randn(3, 4, 4), "Nx4x4:float32"),  # an image alone: a norm's ValueError
    ],
)
def test_inputs_of_another_form_than_the_networks_are_named_where_it_fails_on_them(inputs, said):
    network = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2)))
    annotate(network, (torch.randn(1, 3, 4, 4),))
    example = unpacking_for(network).example
    with (
        pytest.raises(ConfigError, match=f"batch 6 holds inputs of {said}, and the network takes Nx3x4x4:float32"),
        step_named([Batch((inputs,), None)], 6, example),
    ):
        network(inputs)
    with (
        pytest.raises(RuntimeError, match="another"),
        step_named([Batch((torch.randn(5, 3, 4, 4),), None)], 6, example),
    ):
        raise RuntimeError("another")


def test_a_batch_without_rows_is_refused_by_its_index():
    with pytest.raises(DivergedError, match="batch 3 has no rows"):
        Unpacking(("x",), 1).batch((torch.zeros(0, 3), torch.zeros(0)), 3)


@pytest.mark.parametrize("inputs", [torch.zeros(2, 3, device="meta"), torch.ones(2, 3).to_sparse()])
def test_inputs_without_dense_numbers_are_refused_by_the_index_of_their_batch(inputs):
    with pytest.raises(DivergedError, match="batch 3 holds inputs that are sparse, or on the meta device"):
        Unpacking(("x",), 1).batch((inputs, torch.zeros(2)), 3)
