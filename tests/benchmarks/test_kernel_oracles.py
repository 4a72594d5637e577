"""The comparison of every kernel with its oracle: what it counts, that it tells a wrong kernel, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import kernel_oracles
from benchmarks.kernel_oracles import compare
from rdpass.core.errors import ConfigError
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.integers import bytes_of, emulated
from tests.kernels.networks import all_layers, layers_of_bytes

SMALL = 8_000


def test_small_layers_of_bytes_are_compared_on_every_instruction_set_here(monkeypatch):
    monkeypatch.setattr(kernel_oracles, "ISAS", kernel_oracles.ISAS[-2:])
    tally = compare("int8", most=SMALL)
    assert tally.wrong == tally.without == []
    assert tally.kernels >= tally.layers > 10
    assert {kind.partition("_")[0] for kind in tally.worst} == {"u8"}


def test_a_wrong_kernel_among_several_of_a_program_is_named(monkeypatch):
    emulated("rpi5")
    whole = kernel_oracles.case_of

    def spoilt(work, tile, isa):
        case = whole(work, tile, isa)
        return replace(case, expected=case.expected + 1) if "104-26" in work.describe() else case

    monkeypatch.setattr(kernel_oracles, "case_of", spoilt)
    tally = compare("fp16", "rpi5", SMALL)
    assert len(tally.wrong) == 1
    assert "channels=104, filters=26" in tally.wrong[0]
    assert tally.kernels == tally.layers > 4


def test_float16_on_a_machine_without_it_is_refused(monkeypatch, capsys):
    with pytest.raises(ConfigError, match="--on rpi5 has"):
        compare("fp16", "rpi4")
    monkeypatch.setattr("sys.argv", ["kernel_oracles", "--precision", "fp16", "--on", "rpi4"])
    assert kernel_oracles.main() == ConfigError.exit_code
    assert "no float16" in capsys.readouterr().err


def test_the_counts_are_printed_as_json(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["kernel_oracles", "--most", "500", "--json"])
    assert kernel_oracles.main() == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["precision"], counts["on"]) == ("float32", "host")
    assert counts["wrong"] == []


def test_a_comparison_goes_on_where_it_stopped_but_not_with_outcomes_of_other_kernels(tmp_path, monkeypatch):
    place, built = tmp_path / "kernels.jsonl", []
    whole = kernel_oracles.case_of
    monkeypatch.setattr(kernel_oracles, "case_of", lambda *given: built.append(given) or whole(*given))
    first = compare("float32", most=500, keep=place)
    lines = place.read_text().splitlines(keepends=True)
    assert len(built) == len(lines) == first.kernels > 1
    place.write_text("".join(lines[:-1]) + lines[-1][:40])
    assert compare("float32", most=500, keep=place) == first
    assert len(built) == len(lines) + 1
    other = [line.replace(json.loads(line)["code"], "0" * 12) for line in lines]
    place.write_text("".join(other))
    compare("float32", most=500, keep=place)
    assert len(built) == 2 * len(lines) + 1


def test_layers_of_bytes_are_those_of_the_networks():
    layers = layers_of_bytes(bytes_of(isa_of(find_target("rpi5"))))
    assert len(layers) >= 100
    assert sum(layer.operations for layer in layers) >= 0.95 * sum(layer.operations for layer in all_layers())
