"""A user's own target: what a file may say, and that whatever else it says is refused by the key's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import TargetError
from rdpass.targets.core_check import check_core
from rdpass.targets.lookup import PRESETS, find_target


def test_what_is_printed_for_a_preset_is_read_back(written: Callable[..., Path]) -> None:
    assert find_target(str(written())) == replace(find_target("rpi4"), name="my-rpi4")


@pytest.mark.parametrize("name", [*(target.name for target in PRESETS)])
def test_every_preset_is_a_file_that_can_be_built_for(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["targets", "--toml", name]) == 0
    (tmp_path / "board.toml").write_text(capfd.readouterr().out)
    mine = find_target(str(tmp_path / "board.toml"))
    check_core(mine)
    assert mine == replace(find_target(name), name=f"my-{name}")


def test_figures_may_be_left_out(written: Callable[..., Path]) -> None:
    figures = ("clock_ghz", "macs_per_cycle", "l1d_bytes", "l2_bytes", "l3_bytes", "dram_gbps", "figures")
    mine = find_target(str(written(**dict.fromkeys(figures))))
    assert (mine.cpu, mine.cores, mine.clock_ghz, mine.figures) == ("cortex-a72", 4, 0.0, "given by the user")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"cpu": None}, "cpu is missing; `rdpass targets --toml rpi4`"),
        ({"cores": '"four"'}, "cores: Input should be a valid integer, got 'four'"),
        ({"cores": "0"}, "cores: .*greater than or equal to 1, got 0"),
        ({"cores": "true"}, "cores: Input should be a valid integer"),
        ({"triple": '"arm-linux-gnueabihf"'}, "triple: Input should be 'aarch64-linux-gnu'.*got 'arm-linux"),
        ({"name": '"../rpi"'}, "name: .*got '../rpi'"),
        ({"name": '"rpi4"'}, "name: rpi4 is known already"),
        ({"clock_ghz": "-1.0"}, "clock_ghz: .*greater than or equal to 0"),
        ({"l2_byte": "5"}, "there is no key l2_byte; l2_bytes is near it; legal are name, triple, cpu"),
        ({"features": '"asimd"'}, "features: Input should be a valid list"),
        (
            {"features": '["asimd", "asimdd"]'},
            "features: Linux knows none called 'asimdd'; asimddp is near it; legal",
        ),
        ({"features": "[1]"}, r"features\.0: Input should be a valid string"),
        ({"cores": "= 4"}, "can't be read: Invalid value"),
    ],
)
def test_what_is_not_legal_is_refused_by_the_keys_name(
    written: Callable[..., Path], changed: dict[str, str | None], reason: str
) -> None:
    with pytest.raises(TargetError, match=reason):
        find_target(str(written(**changed)))


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for name in ("none.toml", "bytes.toml"):
        with pytest.raises(TargetError, match=f"{name} can't be read"):
            find_target(str(tmp_path / name))


@pytest.mark.slow
def test_a_bundle_for_ones_own_board_is_built_and_verified(
    written: Callable[..., Path], two_by_two_onnx: Path, board: str, tmp_path: Path
) -> None:
    arguments = ["compile", str(two_by_two_onnx), "--target", str(written(cores="2")), "-o", str(tmp_path / "net.rdp")]
    assert run(arguments) == 0
    assert run(["verify", str(tmp_path / "net.rdp")]) == 0
