from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdpass.core.comparison import (
    NumericGate,
    check_close,
    gate_of,
    gate_words,
    loosest,
    own_tolerances,
    relative_error,
    tolerance_by,
    tolerance_or_users,
    users_tolerance,
)
from rdpass.core.errors import ConfigError, ParityError


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


ONE = np.array([1.0, -0.5])
"""What is expected, in float64; ``off(e)`` is that number with a relative error of ``e``."""


def off(error):
    return (ONE + np.array([error, 0])).astype(np.float32)


def never():
    raise AssertionError("float64 was asked for, where nothing is in doubt")


def test_float64_is_asked_for_where_the_comparison_is_in_doubt_alone():
    assert check_close("gate", [off(4e-6)], [off(0)], 1e-5, never).oracle == "float32"
    with pytest.raises(ParityError, match="not finite"):
        check_close("gate", [off(np.nan)], [off(0)], 1e-5, never)
    asked = []
    gate = check_close("gate", [off(6e-6)], [off(0)], 1e-5, lambda: asked.append(1) or [ONE])
    assert (len(asked), gate.oracle, gate.tolerance) == (1, "float64", 1e-5)
    assert gate.error == pytest.approx(6e-6, rel=0.05)
    early = check_close("gate", [off(2e-6)], [off(0)], 1e-5, lambda: [ONE], nearly=0.1)
    assert early.oracle == "float64"


def test_what_is_right_in_float64_passes_however_far_the_rounding_of_its_float32_oracle_is():
    for scale, oracle_error in ((1.0, 1.3e-5), (1e-7, 0.47)):  # faint scores: 0.47 of them is nothing to a sigmoid
        actual, expected = ([(scale * off(error)).astype(np.float32)] for error in (1e-6, oracle_error))
        gate = check_close("gate", actual, expected, 1e-5, lambda scale=scale: [scale * ONE])
        assert (gate.oracle, gate.tolerance) == ("float64", 1e-5)
        assert gate.error == pytest.approx(1e-6, rel=0.1)
        assert gate.oracle_error == pytest.approx(oracle_error, rel=0.02)


def test_an_oracle_that_computes_something_else_is_not_explained_by_rounding():
    with pytest.raises(ParityError, match=r"differs by 0\.32"):
        check_close("gate", [off(0)], [off(0.47)], 1e-5, lambda: [ONE])
    with pytest.raises(ParityError, match=r"differs by 0\.47"):
        check_close("gate", [off(0.47)], [off(0)], 1e-5, lambda: [ONE], actual_exact=lambda: [ONE])


def test_where_the_oracle_is_off_itself_others_may_be_ten_times_as_far():
    gate = check_close("gate", [off(9e-5)], [off(-1.1e-5)], 1e-5, lambda: [ONE])
    assert (gate.oracle, gate.tolerance) == ("float64", pytest.approx(2e-4))  # 1.1e-4, rounded up to one digit
    with pytest.raises(ParityError, match=r"tolerance 1e-05.*in float64 they differ by 0.00031.*off by 1.1e-05 itself"):
        check_close("gate", [off(3.1e-4)], [off(-1.1e-5)], 1e-5, lambda: [ONE])


def test_beyond_a_hundredth_float32_has_no_answer_and_nothing_is_widened():
    with pytest.raises(ParityError, match=r"off by 0\.03 itself"):
        check_close("gate", [off(5e-3)], [off(0.03)], 1e-5, lambda: [ONE])
    with pytest.raises(ParityError):
        check_close("gate", [off(0.015)], [off(0.005)], 1e-5, lambda: [ONE])
    assert check_close("gate", [off(0.009)], [off(0.005)], 1e-5, lambda: [ONE]).tolerance == 0.01


def test_a_fault_in_a_network_that_float32_holds_is_refused_as_before():
    for wrong in (2e-5, 1e-3, 0.3):
        with pytest.raises(ParityError, match="differs"):
            check_close("gate", [off(wrong)], [off(2e-7)], 1e-5, lambda: [ONE])


def test_without_a_run_in_float64_float32_decides():
    assert check_close("gate", [off(9e-6)], [off(0)], 1e-5, lambda: None).oracle_error is None
    with pytest.raises(ParityError, match=r"differs by 1\.2e-05"):
        check_close("gate", [off(1.2e-5)], [off(0)], 1e-5, lambda: None)


def test_each_output_has_its_own_judge_and_the_tightest_is_recorded():
    actual, expected = [off(1e-7), off(1e-6)], [off(0), off(3e-5)]
    gate = check_close("gate", actual, expected, 1e-5, lambda: [ONE, ONE])
    assert (gate.oracle, gate.error) == ("float64", pytest.approx(1e-6, rel=0.1))
    whole = [np.array([3]), off(1e-6)]  # an index that float64 has otherwise: float32 decides there
    gate = check_close("gate", whole, [np.array([3]), off(3e-5)], 1e-5, lambda: [np.array([4]), ONE])
    assert gate.oracle == "float64"
    with pytest.raises(ParityError, match="output 0"):
        check_close("gate", [np.array([2]), *whole[1:]], [np.array([3]), off(3e-5)], 1e-5, lambda: [np.array([4]), ONE])


def test_the_actual_side_may_be_in_float64_where_a_runtime_rounds_too_much():
    gate = check_close("gate", [off(4e-3)], [off(2e-5)], 1e-5, lambda: [ONE], actual_exact=lambda: [ONE + 1e-13])
    assert (gate.oracle, gate.error) == ("float64", pytest.approx(1e-13, rel=0.1))
    with pytest.raises(ParityError, match=r"in float64 they differ by 0\.001"):
        check_close("gate", [off(4e-3)], [off(1e-7)], 1e-5, lambda: [ONE], actual_exact=lambda: [ONE * 1.001])
    gate = check_close("gate", [off(4e-3)], [off(2e-6)], 1e-5, lambda: None, actual_exact=lambda: [ONE])
    assert (gate.oracle, gate.error) == ("float32", pytest.approx(2e-6, rel=0.1))


def test_the_users_tolerance_takes_the_place_of_every_other_and_is_marked():
    with users_tolerance(1e-3):
        gate = check_close("gate", [off(9e-4)], [off(0)], 1e-5)
        assert (gate.tolerance, gate.tolerance_by, tolerance_by(), tolerance_or_users(1)) == (
            1e-3,
            "user",
            "user",
            1e-3,
        )
        with users_tolerance(None):
            assert tolerance_or_users(1e-5) == 1e-3
        with own_tolerances():
            assert (tolerance_or_users(1e-5), tolerance_by()) == (1e-5, "rdpass")
        with pytest.raises(ParityError):  # and is final: nothing is widened for the oracle's sake
            check_close("gate", [off(2e-3)], [off(-5e-4)], 1e-5, lambda: [ONE])
    assert (tolerance_or_users(1e-5), tolerance_by()) == (1e-5, "rdpass")
    with users_tolerance(0.0), pytest.raises(ParityError):
        check_close("gate", [off(1e-6)], [off(0)], 1e-5)


@pytest.mark.parametrize("given", [-1e-3, float("nan"), float("inf")])
def test_a_tolerance_that_is_no_error_is_refused(given):
    with pytest.raises(ConfigError, match="it is a relative error"), users_tolerance(given):
        pass


def test_a_gate_is_read_back_from_json_of_this_version_and_of_earlier_and_later_ones():
    gate = NumericGate("onnx", 1e-6, 1e-5, "float64", 3e-5, "user")
    assert gate_of(asdict(gate)) == gate
    assert gate_of({"name": "old", "error": 1e-6, "tolerance": 1e-5}) == NumericGate("old", 1e-6, 1e-5)
    assert gate_of({**asdict(gate), "something": "new"}) == gate
    assert gate_words(gate) == ("onnx", "1.00e-06", "1e-05 (yours)", "float64", "3.0e-05")
    assert gate_words(NumericGate("a", 0.0, 2.5e-4))[2:] == ("0.00025", "float32", "")


def test_the_loosest_is_the_one_that_used_most_of_its_tolerance():
    gates = [NumericGate("a", 1e-6, 1e-5), NumericGate("b", 9e-6, 1e-3), NumericGate("c", 0.0, 0.0)]
    assert loosest(gates).name == "a"
    infinite = [NumericGate("a", 1e-6, float("inf")), NumericGate("b", 1e-5, float("inf"))]
    assert loosest(infinite).name == "b"
