"""ONNX's own tests of operators, every 19th of them, through both readers."""

from __future__ import annotations

from benchmarks.onnx_conformance import cases, counts, run_parts


def test_none_is_wrong_and_none_crashes() -> None:
    chosen = list(cases())[::19]
    outcomes = list(run_parts(chosen, ("torch", "lowering"), "host", 1))
    assert [each for each in outcomes if each.result in ("wrong", "crashed")] == []
    assert all(found["right"] >= 0.75 * len(chosen) for found in counts(outcomes).values())
