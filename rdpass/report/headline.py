"""What a run came to, before all else: accuracy, time, peak and size before and after, and a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rdpass.core.comparison import NEARLY, NumericGate, loosest
from rdpass.core.estimates import Compared
from rdpass.core.numeric_types import FLOAT32, SINGLE
from rdpass.core.plan import Choice, Cost, Estimated, Outcome, Pruning
from rdpass.core.printable import short_count, three_figures
from rdpass.passes.quantize.report import TrainingReport
from rdpass.report.worth import choice_name

CLEAR = 2.0
"""A difference of fewer standard errors than this is not called one."""


@dataclass(frozen=True)
class Card:
    """One figure of the headline: what it is, before → after with units, and what changed."""

    what: str
    figure: str
    note: str = ""


@dataclass(frozen=True)
class Run:
    """What the headline is made of."""

    outcomes: Sequence[Outcome]
    gates: Sequence[NumericGate]
    compared: Sequence[Compared]
    before: Cost
    after: Cost
    estimated: Estimated | None = None
    pruning: Pruning | None = None
    int8: TrainingReport | None = None


def cards(run: Run) -> Iterator[Card]:
    """Accuracy, where it was measured; milliseconds, where a board was named; peak and size always."""
    if run.compared:
        yield _accuracy(run.compared[0])
    if run.int8 is not None:
        what, own, *rounded_and_trained = run.int8.words
        kept = rounded_and_trained[run.int8.kept == "trained"]
        yield Card(f"in int8: {what}", f"{own} → {kept}", f"float student → int8, {run.int8.kept}")
    priced = _on_board(run.estimated)
    if priced is None:
        yield _bytes("peak of activations", run.before.peak_activation_bytes, run.after.peak_activation_bytes)
        sizes = [FLOAT32.bytes * cost.parameters for cost in (run.before, run.after)]
        yield _bytes(f"parameters in {SINGLE}", sizes[0], sizes[1])
        return
    target, before, students = priced
    for after in students:
        name = "" if after.precision == before.precision else f", in {after.precision}"
        note = f"{_change(before.ms, after.ms)}; one core of {target}, estimated"
        yield Card(f"one inference{name}", f"{three_figures(before.ms)} → {three_figures(after.ms)} ms", note)
        yield _bytes(f"peak{name}", before.peak_bytes, after.peak_bytes)
        yield _bytes(f"weights{name}", before.weight_bytes, after.weight_bytes)


def sentences(run: Run) -> Iterator[str]:
    """The verdict: what left, what that did to accuracy and to cost, and whether every gate held."""
    yield _left(run)
    if run.compared:
        yield _difference(run.compared[0])
    priced = _on_board(run.estimated)
    if priced is not None:
        _, before, (after, *_) = priced
        time = _more_or_less(before.ms, after.ms, "time")
        peak = _more_or_less(before.peak_bytes, after.peak_bytes, "memory at the peak")
        yield f"One inference takes {time} and {peak}."
    else:
        peaks = [cost.peak_activation_bytes for cost in (run.before, run.after)]
        yield f"One inference takes {_more_or_less(peaks[0], peaks[1], 'memory at the peak of its activations')}."
    yield gates_told(run.gates)


def is_close(gate: NumericGate) -> bool:
    """Tell whether a gate used so much of its tolerance that one should look at it."""
    return gate.error > NEARLY * gate.tolerance


def gates_told(gates: Sequence[NumericGate]) -> str:
    """One sentence on all comparisons of numbers."""
    if not gates:
        return "No numbers were compared."
    closest, close = loosest(gates), sum(map(is_close, gates))
    held = f"All {len(gates)} gates held" if len(gates) > 1 else "The one gate held"
    share = f"{100 * closest.error / closest.tolerance:.2g} %" if closest.tolerance else "all"
    told = f"{held}; the closest, {closest.name}, used {share} of its tolerance"
    return f"{told}, and {close} used more than half." if close else f"{told}."


def _accuracy(found: Compared) -> Card:
    unit = _unit(found)
    note = f"difference {found.difference}{' points' if unit else ''}; {found.images} images held out"
    return Card(found.name, f"{found.teacher.value:.2f} → {found.student.value:.2f}{unit}", note)


def _unit(found: Compared) -> str:
    return " %" if found.name.startswith("top-") else ""


def _difference(found: Compared) -> str:
    difference = found.difference
    points = f"{abs(difference.value):.2f}{' points' if _unit(found) else ''}"
    if difference.error is not None and abs(difference.value) <= CLEAR * difference.error:
        return (
            f"On {found.images} images held out its {found.name} differs by no more than they can tell ({difference})."
        )
    way = "higher" if difference.value > 0 else "lower"
    return f"On {found.images} images held out its {found.name} is {points} {way} than the model's."


def _left(run: Run) -> str:
    if run.pruning is not None:
        narrower = sum(width.after < width.before for width in run.pruning.widths)
        return f"{narrower} of {len(run.pruning.widths)} layers are narrower."
    went = Counter(outcome.how for outcome in run.outcomes)
    gone, every = len(run.outcomes) - went["kept"], len(run.outcomes)
    if not gone:
        return f"All {every} shortcuts are kept." if every else "The model has no shortcut."
    how = ", ".join(f"{count} {way}" for way, count in went.items() if way != "kept")
    kept = f"; {went['kept']} kept" if went["kept"] else ""
    return f"{gone} of {every} shortcuts {'is' if gone == 1 else 'are'} gone ({how}{kept})."


def _on_board(found: Estimated | None) -> tuple[str, Choice, list[Choice]] | None:
    """The board, what the model costs in float, and every student that was made; None where either is not known."""
    if found is None:
        return None
    own = [each for each in found.choices if choice_name(each) == "as it is"]
    students = [each for each in found.choices if each.network == "student"]
    return (found.target, own[0], students) if own and students else None


def _bytes(what: str, before: int, after: int) -> Card:
    return Card(what, f"{short_count(before, 'B')} → {short_count(after, 'B')}", _change(before, after))


def _change(before: float, after: float) -> str:
    return f"{100 * (after - before) / before:+.1f} %" if before else ""


def _more_or_less(before: float, after: float, what: str) -> str:
    share = round(100 * abs(after - before) / before) if before else 0
    return f"{share} % {'less' if after < before else 'more'} {what}" if share else f"as much {what} as before"
