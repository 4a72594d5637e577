"""What pruning took, in words: the widths of layers, and the cost before and after."""

from __future__ import annotations

from collections.abc import Iterable

from rdpass.core.plan import Cost, Width
from rdpass.core.printable import short_count


def pruning_words(before: Cost, after: Cost) -> str:
    """One sentence: by how much of its multiply-accumulates a network was pruned, and what that does to its size.

    Example:
        >>> import rdpass
        >>> cost = rdpass.inspect(model, example).forecast.model
        >>> pruning_words(cost, cost)
        'pruned by 0.0 %: 39.7 k → 39.7 k MACs, 1.29 k → 1.29 k parameters, 2.05 kB → 2.05 kB peak of activations'
    """
    share = 100 * (1 - after.macs / before.macs) if before.macs else 0.0
    rows = (
        (before.macs, after.macs, " MACs"),
        (before.parameters, after.parameters, " parameters"),
        (before.peak_activation_bytes, after.peak_activation_bytes, "B peak of activations"),
    )
    told = (f"{_short(a, what)} → {_short(b, what)}{what.removeprefix('B')}" for a, b, what in rows)
    return f"pruned by {share:.1f} %: {', '.join(told)}"


def width_rows(widths: Iterable[Width]) -> list[tuple[str, str, str]]:
    """Layer, channels before and after, of those that lost some."""
    return [(width.layer, str(width.before), str(width.after)) for width in widths if width.after != width.before]


def _short(count: int, what: str) -> str:
    return short_count(count, "B" if what.startswith("B") else "")
