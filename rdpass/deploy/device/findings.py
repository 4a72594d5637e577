"""Examine whether a board can run and fairly measure a bundle: verdicts, with a remedy where one is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdpass.core.errors import DeviceError
from rdpass.deploy.bundle.runtime_libraries import tvm_versions
from rdpass.deploy.device.facts import BoardFacts, ask_board
from rdpass.targets.lookup import PRESETS, Target

OLDEST_GLIBC = (2, 27)
OLDEST_LIBSTDCXX = (6, 0, 24)  # of GCC 7
LEAST_DISK = 200 << 20
LEAST_MEMORY = 256 << 20
_UNDER_VOLTAGE, _THROTTLED = 0x1 | 0x10000, 0x2 | 0x4 | 0x8 | 0x20000 | 0x40000 | 0x80000

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class BoardFinding:
    """One thing about a board. ``warn``: it runs, but not as well, or it is not known. ``fail``: it does not run."""

    need: str
    status: Status
    detail: str
    remedy: str = ""


def examine(address: str, target: Target | None = None) -> tuple[BoardFinding, ...]:
    """Findings about the board at ``address``, for bundles of ``target`` or, without one, of any preset.

    Raises:
        ConfigError: that is no address.
        DeviceError: it can't be reached.
    """
    return judge(address, ask_board(address), target)


def examine_tracker(rpc: str, key: str) -> BoardFinding:
    """Examine whether a tracker that lends boards for tuning answers, and has one with the key.

    Raises:
        ConfigError: ``rpc`` is not HOST:PORT.
    """
    from rdpass.deploy.device.tracker import check_servers, parse_tracker

    try:
        servers = check_servers(parse_tracker(rpc, key))
    except DeviceError as error:
        what, _, remedy = str(error).partition("; ")
        return BoardFinding("rpc tracker", "fail", what, remedy or "start it, or open the ssh tunnel to it")
    return BoardFinding("rpc tracker", "ok", f"{rpc}: {servers} with the key {key}")


def judge(address: str, facts: BoardFacts, target: Target | None) -> tuple[BoardFinding, ...]:
    """The findings from what the board says of itself."""
    return (
        BoardFinding("reachable", "ok", f"{address}, {facts.board or facts.kernel or 'a board'}"),
        _architecture(facts, target),
        _glibc(facts),
        _libstdcxx(facts),
        _cpu(facts, target),
        _features(facts, target),
        _packages(facts),
        _tools(facts),
        _disk(facts),
        _memory(facts),
        _governor(facts),
        _throttling(facts),
        _load(facts),
    )


def _architecture(facts: BoardFacts, target: Target | None) -> BoardFinding:
    wanted = target.architecture if target else "aarch64"
    said = f"{facts.machine or 'unknown'}, {facts.cores or '?'} cores, {facts.bits or '?'}-bit programs"
    if facts.machine != wanted:
        remedy = f"a bundle for {wanted} does not run here; compile for the board's own architecture"
        return BoardFinding("architecture", "fail", said, remedy)
    if facts.bits == 32:
        return BoardFinding("architecture", "fail", said, "install the 64-bit system: the kernel alone is 64-bit")
    return BoardFinding("architecture", "ok", said)


def _glibc(facts: BoardFacts) -> BoardFinding:
    oldest = _text(OLDEST_GLIBC)
    if not facts.glibc:
        remedy = f"TVM's runtime needs glibc {oldest}; where there is another C library, build with --runtime none"
        return BoardFinding("glibc", "warn", "not found", remedy)
    if facts.glibc < OLDEST_GLIBC:
        remedy = f"TVM's runtime needs {oldest}: a newer system, or a bundle built with --runtime none"
        return BoardFinding("glibc", "fail", _text(facts.glibc), remedy)
    return BoardFinding("glibc", "ok", f"{_text(facts.glibc)} ({oldest} or newer is needed)")


def _libstdcxx(facts: BoardFacts) -> BoardFinding:
    if not facts.libstdcxx:
        return BoardFinding("libstdc++", "warn", "not found where it usually lies", "apt install libstdc++6")
    if facts.libstdcxx < OLDEST_LIBSTDCXX:
        return BoardFinding("libstdc++", "fail", _text(facts.libstdcxx), "GCC 7's or newer is needed: a newer system")
    return BoardFinding("libstdc++", "ok", _text(facts.libstdcxx))


def _cpu(facts: BoardFacts, target: Target | None) -> BoardFinding:
    cores = ", ".join(facts.cpus) or "unknown"
    if target is None:
        fitting = [preset.name for preset in PRESETS if preset.cpu in facts.cpus]
        known = f"targets with such cores: {', '.join(fitting)}" if fitting else "no target has such a core"
        remedy = "compile for generic-armv8a" if facts.machine == "aarch64" and not fitting else ""
        return BoardFinding("cpu", "ok", f"{cores}; {known}", remedy)
    if target.architecture == "aarch64" and target.cpu != "generic" and target.cpu not in facts.cpus:
        return BoardFinding("cpu", "warn", cores, f"{target.name} is tuned for {target.cpu}; choose the board's own")
    return BoardFinding("cpu", "ok", cores)


def _features(facts: BoardFacts, target: Target | None) -> BoardFinding:
    needed = set(target.features if target else ("asimd",))
    if not facts.features:
        return BoardFinding("cpu features", "warn", "the board does not say", "./run --info says what is missing")
    missing = sorted(needed - facts.features)
    if missing:
        remedy = "compile for a target without them, such as generic-armv8a"
        return BoardFinding("cpu features", "fail", f"missing: {' '.join(missing)}", remedy)
    return BoardFinding("cpu features", "ok", " ".join(sorted(needed)))


def _packages(facts: BoardFacts) -> BoardFinding:
    said = ", ".join(f"{name} {number}" for name, number in facts.packages.items())
    ours = tvm_versions()
    others = [f"{name}=={ours[name]}" for name, number in facts.packages.items() if number != ours[name]]
    if others:
        remedy = f"for rdpass.load and tuning on the board: pip install {' '.join(others)}"
        return BoardFinding("tvm in python", "warn", said, remedy)
    return BoardFinding("tvm in python", "ok", said or "none; a bundle brings its own runtime")


def _tools(facts: BoardFacts) -> BoardFinding:
    if facts.absent:
        remedy = "install them: `rdpass bench --on` needs them, running a bundle does not"
        return BoardFinding("tools", "warn", f"missing: {' '.join(facts.absent)}", remedy)
    return BoardFinding("tools", "ok", "tar, sha256sum, timeout, mktemp")


def _disk(facts: BoardFacts) -> BoardFinding:
    if facts.executable is False:
        remedy = "set TMPDIR to a folder that is not mounted noexec, in the board's ~/.ssh/environment or profile"
        return BoardFinding("disk", "fail", f"programs in {facts.folder} may not run", remedy)
    if facts.disk is None:
        return BoardFinding("disk", "warn", f"{facts.folder}: the board does not say", "df -h")
    said = f"{_size(facts.disk)} free in {facts.folder}"
    if facts.disk < LEAST_DISK:
        return BoardFinding("disk", "warn", said, "a bundle and its copy need their size; make room")
    return BoardFinding("disk", "ok", said)


def _memory(facts: BoardFacts) -> BoardFinding:
    if facts.memory is None:
        return BoardFinding("memory", "warn", "the board does not say", "free -h")
    said = f"{_size(facts.memory)} available"
    if facts.memory < LEAST_MEMORY:
        return BoardFinding("memory", "warn", said, "stop what else runs: a network's weights have to fit as well")
    return BoardFinding("memory", "ok", said)


def _governor(facts: BoardFacts) -> BoardFinding:
    said = ", ".join(facts.governors) or "the board does not say"
    if set(facts.governors) == {"performance"}:
        return BoardFinding("governor", "ok", said)
    remedy = "for steady times: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return BoardFinding("governor", "warn", said, remedy if facts.governors else "times may vary with the clock")


def _throttling(facts: BoardFacts) -> BoardFinding:
    if facts.throttled is None:
        return BoardFinding("throttling", "ok", "nothing reported")
    said = f"vcgencmd get_throttled says {facts.throttled:#x}"
    if facts.throttled & _UNDER_VOLTAGE:
        return BoardFinding("throttling", "warn", said, "under-voltage: use the board's own power supply, then restart")
    if facts.throttled & _THROTTLED:
        return BoardFinding("throttling", "warn", said, "too hot: give it a heat sink or a fan, then restart")
    return BoardFinding("throttling", "ok", said)


def _load(facts: BoardFacts) -> BoardFinding:
    if facts.load is None:
        return BoardFinding("load", "warn", "the board does not say", "uptime")
    if facts.load > 0.5:
        return BoardFinding("load", "warn", f"{facts.load:.2f}", "something else runs: times will be longer")
    return BoardFinding("load", "ok", f"{facts.load:.2f}")


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
