"""A forecast in words: what taking the shortcuts out gains, and where it gains nothing."""

from __future__ import annotations

from rdpass.core.plan import Cost

WORTH_NAMING = 0.01  # a smaller gain is called none


def verdict(model: Cost, plain: Cost, removable: int, kept: int = 0) -> str:
    """Sentences on peak memory, tiling and traffic; MB are 1e6 bytes."""
    if not removable:
        return f"There is no shortcut to remove: all {kept} are kept." if kept else "There is no shortcut to remove."
    sentences = [_peak(model, plain, removable), _tiled(model, plain), _traffic(model, plain)]
    return " ".join(sentence for sentence in sentences if sentence)


def _peak(model: Cost, plain: Cost, removable: int) -> str:
    before, after = model.fused.peak_bytes, plain.fused.peak_bytes
    noun = "the shortcut" if removable == 1 else f"the {removable} shortcuts"
    if _gain(before, after) < WORTH_NAMING:
        return (
            f"Removing {noun} gains nothing in peak memory: {_amount(before)} with and without,"
            " for other maps set the peak when adds are accumulated in place." + _unfused(model, plain)
        )
    return f"Removing {noun} lowers peak memory by {_fall(before, after)}."


def _unfused(model: Cost, plain: Cost) -> str:
    before, after = model.separate.peak_bytes, plain.separate.peak_bytes
    if _gain(before, after) < WORTH_NAMING:
        return ""
    return f" (Where adds are kernels of their own it falls from {_amount(before)} to {_amount(after)}.)"


def _tiled(model: Cost, plain: Cost) -> str:
    before, after = model.tiled.peak_bytes, plain.tiled.peak_bytes
    if _gain(plain.fused.peak_bytes, after) < WORTH_NAMING:
        return ""
    if _gain(before, after) < WORTH_NAMING:
        return f"Tiled kernels bring it to {_amount(after)} with the shortcuts as without."
    with_them = f"({_amount(before)} with them)"
    return f"Tiled kernels, which the shortcuts forbid, bring the plain net to {_amount(after)} {with_them}."


def _traffic(model: Cost, plain: Cost) -> str:
    before, after = model.tiled.traffic_bytes, plain.tiled.traffic_bytes
    if _gain(before, after) < WORTH_NAMING:
        return f"Memory traffic stays at {_amount(before)}."
    return f"Memory traffic falls by {_fall(before, after)}."


def _gain(before: int, after: int) -> float:
    return 1 - after / before if before else 0.0


def _fall(before: int, after: int) -> str:
    return f"{100 * _gain(before, after):.0f} %, from {_amount(before)} to {_amount(after)}"


def _amount(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"
