"""The headline: figures before and after with their units, and a verdict that claims no more than was measured."""

from dataclasses import replace

import pytest
import torch

from rdpass.core.comparison import NumericGate
from rdpass.core.estimates import Compared, Estimate
from rdpass.core.plan import Choice, Estimated, Outcome, Pruning, Width
from rdpass.inspection import inspect
from rdpass.passes.quantize.report import TrainingReport
from rdpass.report.headline import Card, Run, cards, gates_told, is_close, sentences
from tests.models import small_resnet_of_four

FORECAST = inspect(small_resnet_of_four(), torch.randn(1, 3, 8, 8)).forecast
GATES = (NumericGate("traced", 1e-7, 1e-5), NumericGate("settled", 4e-5, 1e-4))
PRUNED = Pruning(0.3, 4, "taylor", (Width("a", 8, 4), Width("b", 8, 8)), ())
GONE, KEPT = Outcome("add", "distilled", ""), Outcome("add_1", "kept", "")


def compared(difference, error, name="top-1"):
    teacher = Estimate(90.0, 1.0)
    return Compared(name, 500, teacher, Estimate(90.0 + difference, 1.0), Estimate(difference, error))


def run(**changes):
    return replace(Run((GONE, KEPT), GATES, (), FORECAST.model, FORECAST.plain), **changes)


def choice(network, precision, ms, peak, weights):
    return Choice(network, precision, ms, 1.0, 1, peak, weights)


def test_without_a_board_peak_and_parameters_are_counted():
    assert list(cards(run())) == [
        Card("peak of activations", "2.05 kB → 2.05 kB", "+0.0 %"),
        Card("parameters in float32", "5.6 kB → 5.41 kB", "-3.4 %"),
    ]


def test_with_a_board_every_student_has_its_milliseconds_peak_and_weights():
    choices = (
        choice("as it is", "float32", 40.0, 2_000_000, 44_000_000), choice("plain", "float32", 30.0, 1, 1),
        choice("student", "float32", 30.0, 1_500_000, 44_000_000), choice("student", "int8", 10.0, 375_000, 11_000_000),
    )  # fmt: skip
    found = run(estimated=Estimated("rpi4", choices))
    assert list(cards(found)) == [
        Card("one inference", "40 → 30 ms", "-25.0 %; one core of rpi4, estimated"),
        Card("peak", "2 MB → 1.5 MB", "-25.0 %"),
        Card("weights", "44 MB → 44 MB", "+0.0 %"),
        Card("one inference, in int8", "40 → 10 ms", "-75.0 %; one core of rpi4, estimated"),
        Card("peak, in int8", "2 MB → 375 kB", "-81.2 %"),
        Card("weights, in int8", "44 MB → 11 MB", "-75.0 %"),
    ]
    assert "One inference takes 25 % less time and 25 % less memory at the peak." in sentences(found)


def test_a_board_of_which_nothing_could_be_estimated_leaves_what_was_counted():
    assert [card.what for card in cards(run(estimated=Estimated("rpi4", ())))] == [
        "peak of activations", "parameters in float32",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "error", "expected"),
    [
        (-1.5, 0.5, "On 500 images held out its top-1 is 1.50 points lower than the model's."),
        (+1.5, 0.5, "On 500 images held out its top-1 is 1.50 points higher than the model's."),
        (-0.9, 0.5, "On 500 images held out its top-1 differs by no more than they can tell (-0.90 ± 0.50)."),
        (0.0, 0.0, "On 500 images held out its top-1 differs by no more than they can tell (0.00 ± 0.00)."),
        (-0.5, None, "On 500 images held out its top-1 is 0.50 points lower than the model's."),
    ],
)
def test_a_difference_is_called_one_where_the_images_can_tell(difference, error, expected):
    found = run(compared=(compared(difference, error),))
    assert expected in sentences(found)
    assert next(cards(found)).figure == f"90.00 → {90 + difference:.2f} %"


def test_a_loss_has_no_per_cent():
    card = next(cards(run(compared=(compared(0.25, 0.01, "loss"),))))
    assert card == Card("loss", "90.00 → 90.25", "difference 0.25 ± 0.01; 500 images held out")


@pytest.mark.parametrize(("kept", "shown"), [("trained", "91.00 % → 90.50 %"), ("rounded", "91.00 % → 80.00 %")])
def test_int8_shows_the_network_that_the_file_holds(kept, shown):
    told = TrainingReport("accuracy", 91.0, 80.0, 90.5, kept, ())
    assert Card("in int8: top class right", shown, f"float student → int8, {kept}") in list(cards(run(int8=told)))


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, "1 of 2 shortcuts is gone (1 distilled; 1 kept)."),
        ({"outcomes": (GONE, GONE)}, "2 of 2 shortcuts are gone (2 distilled)."),
        ({"outcomes": (KEPT, KEPT)}, "All 2 shortcuts are kept."),
        ({"outcomes": ()}, "The model has no shortcut."),
        ({"pruning": PRUNED}, "1 of 2 layers are narrower."),
    ],
)  # fmt: skip
def test_the_verdict_begins_with_what_left(changes, first):
    assert next(sentences(run(**changes))) == first


def test_gates_are_told_with_the_closest():
    assert gates_told(GATES) == "All 2 gates held; the closest, settled, used 40 % of its tolerance."
    near = NumericGate("onnx", 0.9e-3, 1e-3)
    assert is_close(near)
    assert gates_told((*GATES, near)).endswith(
        "the closest, onnx, used 90 % of its tolerance, and 1 used more than half."
    )
    assert gates_told((NumericGate("same", 0.0, 0.0),)).startswith("The one gate held")
    assert gates_told(()) == "No numbers were compared."
