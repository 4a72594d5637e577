"""Facts about a board, read by one script over ssh that changes nothing there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rdpass.core.errors import DeviceError
from rdpass.deploy.device.remote import run_on

TIMEOUT = 30.0
PACKAGES = ("apache-tvm", "apache-tvm-ffi")
"""What a board needs for `rdpass.load` or as a server for tuning, and not for a bundle's own runner."""

_TOOLS = ("tar", "sha256sum", "timeout", "mktemp")

# Each command prints a word and what it found; one that fails prints nothing. No single quotes: see remote.
_COMMANDS = (
    "echo machine $(uname -m)",
    "echo kernel $(uname -sr)",
    "echo bits $(getconf LONG_BIT)",
    "echo glibc $(getconf GNU_LIBC_VERSION)",
    "for f in /usr/lib/*/libstdc++.so.6 /usr/lib64/libstdc++.so.6 /usr/lib/libstdc++.so.6;"
    ' do if [ -e "$f" ]; then echo libstdcxx $(readlink -f "$f"); fi; done',
    "echo cores $(nproc)",
    'sed -n "s/^CPU part[^:]*: */part /p" /proc/cpuinfo | sort -u',
    'sed -n "s/^model name[^:]*: */model /p" /proc/cpuinfo | sort -u',
    'sed -n "s/^\\(Features\\|flags\\)[^:]*: */features /p" /proc/cpuinfo | head -n 1',
    'echo board $(tr -d "\\000" </proc/device-tree/model)',
    'cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u | sed "s/^/governor /"',
    'sed -n "s/^MemAvailable: */memory /p" /proc/meminfo',
    "echo load $(cut -d \\  -f 1 /proc/loadavg)",
    "echo throttled $(vcgencmd get_throttled)",
    *(
        f'echo {name} $(python3 -c "from importlib.metadata import version; print(version(\\"{name}\\"))")'
        for name in PACKAGES
    ),
    'echo folder "${TMPDIR:-/tmp}"',
    'df -Pk "${TMPDIR:-/tmp}" | sed -n "2s/^/disk /p"',
    'f=$(mktemp "${TMPDIR:-/tmp}/rdpass.XXXXXX") && { echo "#!/bin/sh" >"$f"; chmod u+x "$f";'
    ' if "$f"; then echo executable yes; else echo executable no; fi; rm -f "$f"; }',
    f"for t in {' '.join(_TOOLS)}; do command -v $t >/dev/null || echo absent $t; done",
)

_CORES = {
    0xD03: "cortex-a53",
    0xD04: "cortex-a35",
    0xD05: "cortex-a55",
    0xD07: "cortex-a57",
    0xD08: "cortex-a72",
    0xD09: "cortex-a73",
    0xD0A: "cortex-a75",
    0xD0B: "cortex-a76",
    0xD0C: "neoverse-n1",
    0xD0D: "cortex-a77",
    0xD0E: "cortex-a76ae",
    0xD40: "neoverse-v1",
    0xD41: "cortex-a78",
    0xD42: "cortex-a78ae",
    0xD44: "cortex-x1",
    0xD46: "cortex-a510",
    0xD47: "cortex-a710",
    0xD48: "cortex-x2",
    0xD49: "neoverse-n2",
    0xD4B: "cortex-a78c",
    0xD4D: "cortex-a715",
    0xD4E: "cortex-x3",
    0xD4F: "neoverse-v2",
    0xD80: "cortex-a520",
    0xD81: "cortex-a720",
}
"""Arm's part numbers in /proc/cpuinfo, as LLVM calls the cores."""


# What a board prints may be anything: numbers are those of few digits.
_WHOLE, _BITS, _NUMBER = (
    re.compile(r"[0-9]{1,15}"),
    re.compile(r"0x[0-9a-fA-F]{1,8}"),
    re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?"),
)


@dataclass(frozen=True)
class BoardFacts:
    """``None``, 0 or empty where the board does not say. Bytes; ``folder`` is where bundles are unpacked."""

    machine: str
    kernel: str
    bits: int
    glibc: tuple[int, ...]
    libstdcxx: tuple[int, ...]
    cores: int
    cpus: tuple[str, ...]
    features: frozenset[str]
    board: str
    governors: tuple[str, ...]
    memory: int | None
    load: float | None
    throttled: int | None
    folder: str
    disk: int | None
    executable: bool | None
    absent: tuple[str, ...]
    packages: dict[str, str]


def ask_board(address: str) -> BoardFacts:
    """The facts of the board at ``address``.

    Raises:
        ConfigError: that is no address.
        DeviceError: it can't be reached, or has no shell that answers.
    """
    answer = run_on(address, f"exec 2>/dev/null; {'; '.join(_COMMANDS)}; echo end", TIMEOUT)
    lines = [line.partition(" ") for line in answer.out.splitlines()]
    said: dict[str, list[str]] = {}
    for key, _, value in lines:
        said.setdefault(key, []).append(value.strip())
    if "end" not in said:
        raise DeviceError(
            f"{address} has no shell that answers: {answer.error or answer.out.strip() or 'it said nothing'}"
        )
    return read_facts(said)


def read_facts(said: dict[str, list[str]]) -> BoardFacts:
    """Facts from what each word was printed with."""

    def first(key: str) -> str:
        return next(iter(said.get(key, [])), "")

    throttled = first("throttled").partition("=")[2]
    disk = first("disk").split()
    return BoardFacts(
        machine=first("machine"),
        kernel=first("kernel"),
        bits=_whole(first("bits")) or 0,
        glibc=_version(first("glibc").removeprefix("glibc ")),
        libstdcxx=max(map(_library_version, said.get("libstdcxx", [])), default=()),
        cores=_whole(first("cores")) or 0,
        cpus=tuple(map(_core, said.get("part", []))) or tuple(said.get("model", [])),
        features=frozenset(first("features").split()),
        board=first("board"),
        governors=tuple(said.get("governor", [])),
        memory=_kilobytes(first("memory").split()[:1]),
        load=_number(first("load")),
        throttled=_bits(throttled),
        folder=first("folder"),
        disk=_kilobytes(disk[3:4]),
        executable={"yes": True, "no": False}.get(first("executable")),
        absent=tuple(said.get("absent", [])),
        packages={name: first(name) for name in PACKAGES if first(name)},
    )


def _core(part: str) -> str:
    try:
        return _CORES.get(int(part, 16), f"part {part}")
    except ValueError:
        return f"part {part}"


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    numbers = tuple(map(_whole, parts))
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()


def _library_version(path: str) -> tuple[int, ...]:
    return _version(path.rpartition(".so.")[2])


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _bits(text: str) -> int | None:
    return int(text, 16) if _BITS.fullmatch(text) else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _kilobytes(words: Sequence[str]) -> int | None:
    found = _whole(words[0]) if words else None
    return None if found is None else found * 1024
