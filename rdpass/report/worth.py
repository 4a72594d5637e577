"""The verdict on removal, from what a network costs with its shortcuts and without: train, or compile it as it is.

Removal pays where the plain network takes at least ``LESS_TIME`` less time, or ``LESS_PEAK`` less memory at the peak,
and of the other not ``MORE`` more. Both networks are of one precision; the float ones are judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdpass.core.numeric_types import SINGLE
from rdpass.core.plan import Choice, Skipped, Worth
from rdpass.core.printable import three_figures

LESS_TIME = 0.05
LESS_PEAK = 0.20
MORE = 0.02
"""Shares of what the network takes as it is."""


def worth(target: str, choices: Sequence[Choice], skipped: Sequence[Skipped] = ()) -> Worth:
    """The verdict on ``choices``, as one sentence with the cost of each."""
    costs = "; ".join(f"{choice_name(choice)} {_cost(choice)}" for choice in choices)
    found = {choice.network: choice for choice in choices if choice.precision == SINGLE}
    own, plain = found.get("as it is"), found.get("plain")
    gains = own is not None and plain is not None and _gains(own, plain)
    listed = f"On one core of {target}, estimated: {costs}. " if costs else ""
    return Worth(target, tuple(choices), tuple(skipped), gains, f"{listed}{_words(own, plain, skipped, gains)}.")


def _gains(own: Choice, plain: Choice) -> bool:
    faster, slower = plain.ms <= (1 - LESS_TIME) * own.ms, plain.ms > (1 + MORE) * own.ms
    smaller = plain.peak_bytes <= (1 - LESS_PEAK) * own.peak_bytes
    larger = plain.peak_bytes > (1 + MORE) * own.peak_bytes
    return (faster and not larger) or (smaller and not slower)


def _words(own: Choice | None, plain: Choice | None, skipped: Sequence[Skipped], gains: bool) -> str:
    missing = [each for each in skipped if each.add in ("as it is", "plain")]
    if missing:
        reasons = dict.fromkeys(each.reason for each in missing)
        of = {reason: " and ".join(each.add for each in missing if each.reason == reason) for reason in reasons}
        return "No verdict: " + "; ".join(f"{names} could not be estimated ({reason})" for reason, names in of.items())
    if own is None or plain is None:
        return "Compile it as it is: there is no shortcut to remove"
    time, peak = plain.ms / own.ms - 1, plain.peak_bytes / max(1, own.peak_bytes) - 1
    verdict = "Worth training" if gains else "Compile it as it is"
    return f"{verdict}: without shortcuts it takes {_change(time)} time and {_change(peak)} memory at the peak"


def choice_name(choice: Choice) -> str:
    """Words for a choice: as it is, plain in int8."""
    return choice.network if choice.precision == SINGLE else f"{choice.network} in {choice.precision}"


def _cost(choice: Choice) -> str:
    sizes = ("peak", choice.peak_bytes), ("library", choice.library_bytes), ("resident", choice.resident_bytes)
    return ", ".join([f"{three_figures(choice.ms)} ms", *(f"{name} {megabytes(count)}" for name, count in sizes)])


def _change(share: float) -> str:
    per_cent = round(abs(share) * 100)
    return f"{per_cent} % {'less' if share < 0 else 'more'}" if per_cent else "as much"


def megabytes(count: int) -> str:
    """0.28 MB, 57.3 MB (powers of 1000)."""
    return f"{three_figures(count / 1e6)} MB"
