"""A user's own target: what a file may say, and that whatever else it says is refused by the key's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.building import compile
from rdpass.targets.core_check import check_core
from rdpass.targets.lookup import PRESETS, find_target, host_target


@pytest.fixture
def written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    """The file that `rdpass targets --toml rpi4` prints, with lines changed (to nothing, where the value is None)."""

    def write(**changed: str | None) -> Path:
        assert run(["targets", "--toml", "rpi4"]) == 0
        lines = dict(line.split(" = ", 1) for line in capfd.readouterr().out.splitlines() if not line.startswith("#"))
        lines.update(changed)
        path = tmp_path / "board.toml"
        path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None))
        return path

    return write


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


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"cpu": '"cortex-a67"'}, r"LLVM knows no CPU 'cortex-a67' .*near it are .*cortex-a7"),
        ({"cpu": '"x86-64-v3"'}, "LLVM knows no CPU 'x86-64-v3' for aarch64-linux-gnu"),
        ({"cpu": '"cortex-a76"'}, "code for cortex-a76 may use asimddp, asimdhp, .*: add that to its features"),
        ({"features": '["asimd", "sve"]'}, "to LLVM cortex-a72 has no sve: take that out of its features"),
        ({"features": "[]"}, "code for cortex-a72 may use asimd"),
    ],
)
def test_a_core_and_features_that_do_not_fit_are_refused_before_anything_is_built(
    written: Callable[..., Path], residual_onnx: Path, tmp_path: Path, changed: dict[str, str | None], reason: str
) -> None:
    with pytest.raises(TargetError, match=reason):
        compile(residual_onnx, str(written(**changed)), tmp_path / "net.rdp")
    assert not (tmp_path / "net.rdp").exists()


def test_features_of_a_core_without_spontaneous_use_may_be_listed(written: Callable[..., Path]) -> None:
    check_core(find_target(str(written(features='["asimd", "aes", "crc32"]'))))


def test_this_host_can_be_built_for() -> None:
    check_core(host_target())


@pytest.mark.slow
def test_a_bundle_for_ones_own_board_is_built_and_verified(
    written: Callable[..., Path], two_by_two_onnx: Path, board: str, tmp_path: Path
) -> None:
    arguments = ["compile", str(two_by_two_onnx), "--target", str(written(cores="2")), "-o", str(tmp_path / "net.rdp")]
    assert run(arguments) == 0
    assert run(["verify", str(tmp_path / "net.rdp")]) == 0
