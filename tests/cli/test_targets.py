"""``rdpass targets``: every preset and this host, as a table, as JSON and as a file."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict

import pytest

from rdpass.cli.app import run
from rdpass.targets.lookup import PRESETS, all_targets, find_target


def test_json_has_every_field_of_every_target(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown == json.loads(json.dumps([asdict(target) for target in all_targets()]))
    assert {"host", *(preset.name for preset in PRESETS)} <= {target["name"] for target in shown}


def test_the_table_has_a_line_for_each_with_caches_in_binary_units(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets"]) == 0
    lines = capfd.readouterr().out.splitlines()
    (rpi4,) = [line.split() for line in lines if line.startswith(" rpi4 ")]
    assert rpi4[:6] == ["rpi4", "aarch64", "cortex-a72", "4", "1.5", "4"]
    assert rpi4[6:] == ["32", "K", "/", "1", "M", "/", "-", "4", "asimd"]
    assert lines[-1].startswith("Clock, MACs a cycle, caches and DRAM bandwidth are approximate")


def test_a_target_is_printed_as_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "--toml", "rpi5"]) == 0
    fields = tomllib.loads(capfd.readouterr().out)
    assert (fields["cpu"], fields["features"]) == ("cortex-a76", list(find_target("rpi5").features))


def test_a_name_that_is_no_target_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "--toml", "rpi9"]) == 6
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "no target is called" in shown.err


def test_targets_and_doctor_print_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "--json"]) == 0
    names = [target["name"] for target in json.loads(capfd.readouterr().out)]
    assert {"host", "rpi3", "rpi4", "rpi5", "rk3399", "generic-armv8a"} <= set(names)
    assert run(["doctor", "--json"]) == 0
    assert {"need", "present", "detail"} == json.loads(capfd.readouterr().out)[0].keys()
