"""The trace of a profile, as the Trace Event Format has it."""

from __future__ import annotations

import json

from rdpass.profiling.chrome_trace import chrome_trace
from tests.profiling.profiles import made_up

HOSTILE = 'f32"},{"ph":"X</script>\n\x1b[31m\ud800'


def test_layers_are_events_one_after_another_within_the_inference() -> None:
    trace = json.loads(chrome_trace(made_up(), "net.rdp"))
    assert trace["displayTimeUnit"] == "ms"
    whole, *layers = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [event["name"] for event in layers] == [layer.kernel for layer in made_up().layers]
    assert [event["ts"] for event in layers] == [10.0, 650.0, 800.0]  # microseconds
    assert [event["dur"] for event in layers] == [600.0, 150.0, 0.0]  # none is still running when the next begins
    assert all(whole["ts"] <= e["ts"] and e["ts"] + e["dur"] <= whole["ts"] + whole["dur"] for e in layers)
    assert [event["cat"] for event in layers] == ["kernel", "fallback", "copy"]


def test_memory_in_use_is_a_counter() -> None:
    events = json.loads(chrome_trace(made_up(), "net.rdp"))["traceEvents"]
    assert [event["args"]["bytes"] for event in events if event["ph"] == "C"] == [1024, 1600, 64]


def test_names_are_text_whatever_they_hold() -> None:
    text = chrome_trace(made_up(HOSTILE), HOSTILE)
    assert text.isascii()
    events = json.loads(text)["traceEvents"]
    assert HOSTILE in [event["name"] for event in events]
    assert all(set(event) >= {"ph", "name", "pid", "tid", "ts"} for event in events)
