"""Classes right by hand, metrics of every form, and what is no metric."""

import numpy as np
import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.scoring.figures import class_scores, measures_of
from rdpass.training.losses import IGNORED
from rdpass.training.objective import Batch


def measured(metric, *parts):
    measure = measures_of(metric)()
    for outputs, targets in parts:
        measure.add(outputs, Batch((torch.zeros(len(outputs), 3),), targets))
    return measure.figures()


def error_of(outputs, targets):
    return (outputs - targets).abs().mean(1)


def error_of_a_batch(outputs, targets):
    return (outputs - targets).abs().mean()


def two_errors(outputs, targets):
    return {"l1": error_of(outputs, targets), "worst": (outputs - targets).abs().amax(1)}


class RootMeanSquare:
    """No mean over rows: what a metric with a state is for."""

    def __init__(self):
        self.squares, self.count = 0.0, 0

    def update(self, outputs, targets):
        self.squares += float((outputs - targets).square().sum())
        self.count += outputs.numel()

    def compute(self):
        return {"rms": torch.tensor(self.squares / self.count).sqrt(), "by class": torch.zeros(3)}


def a_metric():
    return RootMeanSquare()


def raising(outputs, targets):
    raise KeyError("boxes")


def test_the_likeliest_class_and_the_five_likeliest_are_counted():
    logits = torch.eye(12)[torch.arange(12)] * 3 + torch.linspace(0, 1, 12)
    targets = torch.arange(12)
    targets[0], targets[1] = 11, 2  # 11 is second; 2 is behind 1, 11, 10, 9, 8, …
    found = class_scores(logits, Batch((logits,), targets))
    assert found["top-1"][0].tolist() == [0.0, 0.0] + 10 * [100.0]
    assert found["top-5"][0].tolist() == [100.0, 0.0] + 10 * [100.0]


def test_positions_count_and_ignored_labels_do_not():
    logits = torch.tensor([[[2.0, 0, 0, 0]], [[1.0, 1, 1, 1]]]).permute(1, 0, 2)  # (1, 2, 4): classes 0 1 1 1
    scores, weights = class_scores(logits, Batch((logits,), torch.tensor([[0, 1, 0, IGNORED]])))["top-1"]
    assert scores.tolist() == [pytest.approx(200 / 3)]
    assert weights.tolist() == [3]


def test_mixed_labels_are_their_likeliest_class_and_no_labels_give_no_figure():
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert class_scores(logits, Batch((logits,), torch.tensor([[0.3, 0.7], [0.4, 0.6]])))["top-1"][0].tolist() == [
        100,
        0,
    ]
    assert measured(None, (logits, None)) == {}


def test_a_function_may_give_a_number_a_row_one_for_the_batch_or_several_by_name():
    a, b = (torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.zeros(2, 2)), (torch.tensor([[9.0, 9.0]]), torch.zeros(1, 2))
    assert measured(error_of, a, b)["error_of"].estimate().value == pytest.approx((1.5 + 4 + 9) / 3)
    assert measured(error_of_a_batch, a, b)["error_of_a_batch"].estimate().value == pytest.approx((2 * 2.75 + 9) / 3)
    assert {name: figure.estimate().value for name, figure in measured(two_errors, a, b).items()} == {
        "l1": pytest.approx(14.5 / 3), "worst": pytest.approx(16 / 3)
    }  # fmt: skip


def test_a_row_that_is_not_a_number_does_not_count():
    found = measured(lambda outputs, targets: outputs[:, 0], (torch.tensor([[1.0], [float("nan")], [3.0]]), None))
    assert next(iter(found.values())).estimate().value == 2.0


@pytest.mark.parametrize("metric", [RootMeanSquare, RootMeanSquare(), a_metric, "tests.scoring.test_figures:a_metric"])
def test_a_metric_with_a_state_has_the_error_of_a_jackknife(metric):
    random = torch.Generator().manual_seed(0)
    parts = [(torch.randn(4, 3, generator=random), torch.zeros(4, 3)) for _ in range(13)]
    found = measured(metric, *parts)
    assert list(found) == ["rms"]
    whole = torch.cat([outputs for outputs, _ in parts]).square().mean().sqrt()
    estimate = found["rms"].estimate()
    assert estimate.value == pytest.approx(float(whole))
    assert 0 < estimate.error < 0.3
    assert measured(metric, parts[0])["rms"].estimate().error is None


def test_a_difference_is_of_pairs():
    random = torch.Generator().manual_seed(0)
    hard = torch.randn(40, 1, generator=random) * 5
    parts = [(hard, torch.zeros(40, 1)), (hard + 0.1 * torch.sign(hard), torch.zeros(40, 1))]
    first, second = (measured(error_of, part)["error_of"] for part in parts)
    found = second.difference(first)
    assert found.value == pytest.approx(0.1)
    assert found.error < 1e-6 < first.estimate().error
    states = [[(outputs[i::8], targets[i::8]) for i in range(8)] for outputs, targets in parts]
    first, second = (measured(RootMeanSquare, *state)["rms"] for state in states)
    assert second.difference(first).error < 0.1 * first.estimate().error


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (3, "the metric is a int"),
        ("tests.scoring.test_figures:IGNORED", "the metric is a int"),
        ("tests.scoring.test_figures:none", "can't be found"),
        (raising, "the metric raised KeyError"),
        (lambda outputs, targets: "good", "the metric gave a str, and is to give numbers"),
        (lambda outputs, targets: None, "the metric gave a NoneType"),
        (lambda outputs, targets: torch.zeros(7), "shape (7,), and is to give one for each of 2 rows, or one"),
    ],
)
def test_what_is_no_metric_is_refused(metric, words):
    with pytest.raises(ConfigError, match="metric") as caught:
        measured(metric, (torch.zeros(2, 3), None))
    assert words in str(caught.value)


def test_targets_that_are_no_classes_are_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"no class indices .* --metric pkg\.mod:fn"):
        measured(None, (torch.zeros(2, 3), torch.zeros(2, 4)))
    with pytest.raises(ConfigError, match=r"no logits .* --metric pkg\.mod:fn"):
        measured(None, (torch.zeros(2, 1), np.zeros(2)))
