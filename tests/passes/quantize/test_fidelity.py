import numpy as np
import pytest

from rdpass.core.comparison import sqnr
from rdpass.passes.quantize.fidelity import MOST, accuracy, are_logits, fidelity, outputs_of
from rdpass.passes.quantize.prepare import prepare
from tests.passes.quantize.nets import images, residual

LOGITS = np.array([[[1.0, 2.0, 3.0]], [[3.0, 2.0, 1.0]], [[0.0, 5.0, 0.0]]])


def test_noise_is_in_decibels():
    assert sqnr(np.array([1.1, 0.9]), np.ones(2)) == pytest.approx(20)
    assert sqnr(np.ones(2), np.ones(2)) == np.inf
    assert sqnr(np.ones(2), np.zeros(2)) == -np.inf


def test_outputs_are_averaged_and_classes_compared():
    other = LOGITS.copy()
    other[0, 0, 0] = 9
    found = fidelity([other, LOGITS * 1.1], [LOGITS, LOGITS])
    assert found.outputs == (pytest.approx(sqnr(other, LOGITS)), pytest.approx(20))
    assert found.sqnr == pytest.approx(np.mean(found.outputs))
    assert found.agreement == pytest.approx(200 / 3)
    assert fidelity([LOGITS], [LOGITS]).sqnr == MOST


def test_accuracy_needs_labels_and_logits():
    assert accuracy([LOGITS], np.array([2, 0, 0])) == pytest.approx(200 / 3)
    assert accuracy([LOGITS], None) is None
    assert accuracy([np.zeros((3, 1, 4, 4))], np.zeros(3)) is None
    assert not are_logits(np.zeros((3, 1, 1)))
    assert fidelity([np.ones((3, 1, 4, 4))], [np.ones((3, 1, 4, 4))]).agreement is None


def test_outputs_of_all_batches_lie_one_after_the_other():
    steps = []
    (found,) = outputs_of(prepare(residual()), images((1, 3, 11, 9), 4), steps.append)
    assert found.shape == (4, 1, 5)
    assert steps == [1] * 4
