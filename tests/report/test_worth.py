"""The verdict in milliseconds: worth training, or compile it as it is."""

from __future__ import annotations

import pytest

from rdpass.core.plan import Choice, Skipped
from rdpass.report.worth import LESS_PEAK, LESS_TIME, choice_name, worth


def choice(network: str, ms: float, peak: int, precision: str = "float32") -> Choice:
    return Choice(network, precision, ms, 1e6, 0, peak, 2_000_000, 100_000)


@pytest.mark.parametrize(
    ("ms", "peak", "gains"),
    [
        (100 * (1 - LESS_TIME), 1_000_000, True),
        (100 * (1 - LESS_TIME) + 0.1, 1_000_000, False),
        (100, round(1_000_000 * (1 - LESS_PEAK)), True),
        (100, round(1_000_000 * (1 - LESS_PEAK)) + 1000, False),
        (90, 1_100_000, False),
        (110, 500_000, False),
        (100, 1_000_000, False),
    ],
)
def test_removal_pays_in_time_or_at_the_peak_and_not_at_the_others_cost(ms: float, peak: int, gains: bool) -> None:
    found = worth("rpi4", [choice("as it is", 100, 1_000_000), choice("plain", ms, peak)])
    assert found.gains is gains
    assert ("Worth training: " if gains else "Compile it as it is: ") in found.verdict


def test_the_sentence_has_the_cost_of_every_choice() -> None:
    found = worth("rpi4", [choice("as it is", 575.2, 5_570_000), choice("plain", 499, 2_440_000),
                           choice("plain", 210.4, 700_000, "int8")])  # fmt: skip
    assert found.verdict == (
        "On one core of rpi4, estimated: as it is 575 ms, peak 5.57 MB, library 2.1 MB, resident 7.67 MB; plain 499 ms,"
        " peak 2.44 MB, library 2.1 MB, resident 4.54 MB; plain in int8 210 ms, peak 0.7 MB, library 2.1 MB, resident"
        " 2.8 MB. Worth training: without shortcuts it takes 13 % less time and 56 % less memory at the peak."
    )


def test_nothing_gained_is_said_so() -> None:
    found = worth("rpi5", [choice("as it is", 10, 1000), choice("plain", 10, 1000)])
    assert found.verdict.endswith("it takes as much time and as much memory at the peak.")


def test_a_network_without_shortcuts_is_compiled_as_it_is() -> None:
    found = worth("rpi4", [choice("as it is", 10, 1000)])
    assert found.verdict.endswith("Compile it as it is: there is no shortcut to remove.")
    assert not found.gains


def test_there_is_no_verdict_on_what_could_not_be_estimated() -> None:
    found = worth("rpi4", [], [Skipped("as it is", "no such operator"), Skipped("plain", "no such shape")])
    assert found.verdict == (
        "No verdict: as it is could not be estimated (no such operator); plain could not be estimated (no such shape)."
    )
    assert not found.gains


def test_one_reason_is_given_once() -> None:
    found = worth("rpi3", [], [Skipped("as it is", "no figures"), Skipped("plain", "no figures")])
    assert found.verdict == "No verdict: as it is and plain could not be estimated (no figures)."


def test_a_choice_is_named_with_its_precision_unless_that_is_single() -> None:
    assert choice_name(choice("plain", 1, 1)) == "plain"
    assert choice_name(choice("as it is", 1, 1, "fp16")) == "as it is in fp16"


def test_a_precision_that_can_not_be_estimated_leaves_the_verdict_on_the_others() -> None:
    choices = [choice("as it is", 100, 1_000_000), choice("plain", 80, 1_000_000)]
    found = worth("rpi4", choices, [Skipped("plain in int8", "no layer that int8 takes")])
    assert found.gains
    assert found.verdict.endswith("Worth training: without shortcuts it takes 20 % less time and as much memory at the"
                                  " peak.")  # fmt: skip
