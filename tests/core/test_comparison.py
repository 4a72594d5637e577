import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdpass.core.comparison import check_close, relative_error
from rdpass.core.errors import ParityError


def test_the_error_is_relative_to_the_largest_expected_magnitude():
    assert relative_error(np.array([1.0, 10.1]), np.array([1.0, 10.0])) == pytest.approx(0.01)
    assert relative_error(np.array([0.001, 10.0]), np.array([0.0, 10.0])) == pytest.approx(1e-4)


@pytest.mark.parametrize("bad", [np.array([np.nan, 1.0]), np.array([np.inf, 1.0]), np.array([1.0])])
def test_what_is_not_finite_or_of_another_shape_is_infinitely_wrong(bad):
    assert relative_error(bad, np.array([1.0, 1.0])) == float("inf")
    assert relative_error(np.array([np.nan]), np.array([np.nan])) == float("inf")


def test_zeros_are_compared_absolutely_and_nothing_equals_nothing():
    assert relative_error(np.array([1e-3]), np.array([0.0])) == pytest.approx(1e-3)
    assert relative_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


def test_the_message_names_the_gate_the_output_the_size_and_the_place():
    actual = [np.zeros(3), np.array([[1.0, 2.0], [3.0, 4.5]])]
    with pytest.raises(ParityError, match=r"onnx: output 1 differs by 0.125 .*largest 0.5 at \(1, 1\), mean 0.125"):
        check_close("onnx", actual, [np.zeros(3), np.array([[1.0, 2.0], [3.0, 4.0]])], 1e-3)
    with pytest.raises(ParityError, match="1 outputs where 2"):
        check_close("onnx", actual[:1], actual, 1.0)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20), st.floats(1e-6, 1))
def test_a_gate_passes_exactly_what_lies_within_its_tolerance(values, tolerance):
    expected = np.array(values).round(6)  # so that a tolerance of it is a number of full precision
    scale = np.abs(expected).max() or 1.0
    assert check_close("gate", [expected + 0.5 * tolerance * scale], [expected], tolerance).error <= tolerance
    with pytest.raises(ParityError):
        check_close("gate", [expected + 2 * tolerance * scale], [expected], tolerance)
