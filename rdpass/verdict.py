"""A forecast in words: what taking the shortcuts out gains, and where it gains nothing."""

from __future__ import annotations

from rdpass.types import Cost

WORTH_NAMING = 0.01  # a smaller gain is called none


def verdict(model: Cost, plain: Cost, removable: int) -> str:
    """Two or three sentences on peak memory, tiling and traffic; figures in MB of 1e6 bytes."""
    if not removable:
        return "There is no shortcut to remove."
    sentences = [_peak(model, plain, removable), _tiled(model, plain), _traffic(model, plain)]
    return " ".join(sentence for sentence in sentences if sentence)


def _peak(model: Cost, plain: Cost, removable: int) -> str:
    before, after = model.fused.peak_bytes, plain.fused.peak_bytes
    noun = "the shortcut" if removable == 1 else f"the {removable} shortcuts"
    if _gain(before, after) < WORTH_NAMING:
        return (
            f"Removing {noun} gains nothing in peak memory: {_mb(before)} with and without,"
            " for other maps set the peak when adds are accumulated in place."
        )
    return f"Removing {noun} lowers peak memory by {_percent(before, after)}, from {_mb(before)} to {_mb(after)}."


def _tiled(model: Cost, plain: Cost) -> str:
    before, after = model.tiled.peak_bytes, plain.tiled.peak_bytes
    if _gain(plain.fused.peak_bytes, after) < WORTH_NAMING:
        return ""
    if _gain(before, after) < WORTH_NAMING:
        return f"Tiled kernels bring it to {_mb(after)} with the shortcuts as without."
    return f"Tiled kernels, which the shortcuts forbid, bring the plain net to {_mb(after)} ({_mb(before)} with them)."


def _traffic(model: Cost, plain: Cost) -> str:
    before, after = model.tiled.traffic_bytes, plain.tiled.traffic_bytes
    if _gain(before, after) < WORTH_NAMING:
        return f"Memory traffic stays at {_mb(before)}."
    return f"Memory traffic falls by {_percent(before, after)}, from {_mb(before)} to {_mb(after)}."


def _gain(before: int, after: int) -> float:
    return 1 - after / before if before else 0.0


def _percent(before: int, after: int) -> str:
    return f"{100 * _gain(before, after):.0f} %"


def _mb(count: int) -> str:
    return f"{count / 1e6:.2f} MB"
