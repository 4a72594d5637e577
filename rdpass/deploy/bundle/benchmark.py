"""``bench``: how long one inference of a bundle takes, measured by its own runner here or on a board."""

from __future__ import annotations

import json
import math
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rdpass.core.errors import ConfigError, DeviceError, IntegrityError
from rdpass.core.printable import printable
from rdpass.deploy.bundle.execution import RUNNER, run_for_text
from rdpass.deploy.bundle.manifest import Manifest, opened
from rdpass.deploy.bundle.verification import target_of
from rdpass.deploy.device.remote import Answer, run_on
from rdpass.targets.toolchain import find_launcher

RUNS = 200
NOISY = 1.25
"""The 95th percentile over the median, or the median over the least time, above which times are not to be believed."""
TIMEOUT = 600.0
"""Seconds that a board may take, the copying aside."""

_LARGEST_FIGURE = 1 << 60
_SLOWEST_LINK = 500_000  # bytes a second
_TIMED_OUT = 124  # the exit code of `timeout`
_NOT_STARTED = (126, 127)  # the shell's, for a program that it can't start


@dataclass(frozen=True)
class Timing:
    """Times of a bundle's inferences, and the memory they needed, as ``bench`` returns them.

    Args:
        where: this host, or the board's address.
        emulated: whether it ran under an emulator; such times say nothing about a board.
        target: what the bundle was built for.
        runs: inferences that were timed.
        warmup: inferences before them that were not.
        threads: how many; None where the runtime chose.
        p50_ms: median, in milliseconds.
        p95_ms: 95th percentile, in milliseconds.
        p99_ms: 99th percentile, in milliseconds.
        min_ms: the shortest, in milliseconds.
        max_ms: the longest, in milliseconds.
        mean_ms: in milliseconds.
        load_ms: from the program's start until the network was ready, in milliseconds.
        peak_rss_bytes: the most memory that the process held.
        planned_activation_bytes: activations as planned when it was built.
        planned_workspace_bytes: scratch as planned when it was built.

    Example:
        >>> import rdpass
        >>> timing = rdpass.bench("student.rdp", runs=20, threads=1)
        >>> timing.runs, timing.threads, 0 < timing.min_ms <= timing.p50_ms <= timing.p95_ms <= timing.max_ms
        (20, 1, True)
    """

    where: str
    emulated: bool
    target: str
    runs: int
    warmup: int
    threads: int | None
    p50_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float
    mean_ms: float
    load_ms: float
    peak_rss_bytes: int
    planned_activation_bytes: int
    planned_workspace_bytes: int

    @property
    def is_noisy(self) -> bool:
        """Whether the runs differ so much that something else must have used the machine meanwhile."""
        return self.p95_ms > NOISY * self.p50_ms or self.p50_ms > NOISY * self.min_ms


def bench(
    folder: str | Path,
    *,
    runs: int = RUNS,
    threads: int | None = None,
    on: str | None = None,
    timeout: float = TIMEOUT,
    key: str | Path | None = None,
) -> Timing:
    """Time a bundle on this host (emulated, if it is for another CPU), or ``on`` a board reached over ssh.

    The board gets a copy of the bundle in a temporary folder, which it removes whatever happens.

    Args:
        folder: the bundle.
        runs: inferences to time.
        threads: of the runtime; None for its own choice.
        on: ``USER@BOARD``, as ssh takes it; None for this host.
        timeout: seconds that a board may take, the copying aside.
        key: a public key (PEM), by whose private one the bundle has to be signed; None asks for no signature.

    Returns:
        Median, tail and memory; times are in milliseconds.

    Raises:
        ConfigError: ``runs``, ``threads`` or ``timeout`` makes no sense.
        IntegrityError: a byte of the bundle has changed, or it is for another CPU.
        DeviceError: the board can't be reached or was not done in time, or the runner failed.
        TargetError: it is for another CPU, and there is no emulator for that.

    Example:
        >>> import rdpass
        >>> rdpass.bench("student.rdp", runs=10).where
        'this host'
    """
    check_measurement(runs, threads, timeout)
    with opened(Path(folder), key=None if key is None else Path(key)) as (copy, manifest):
        figures = run_measured(copy, manifest, "--bench", runs, threads, on, timeout)
    with told_by(figures):
        return timing_of(figures, figures.body)


def check_measurement(runs: int, threads: int | None, timeout: float) -> None:
    """
    Raises:
        ConfigError: one makes no sense.
    """
    if runs < 1 or (threads is not None and threads < 1) or timeout <= 0:
        raise ConfigError("runs and threads have to be 1 or more, and the timeout more than 0")


@dataclass(frozen=True)
class Figures:
    """What a runner printed, read as JSON (``body``, None where it is none), and where it ran."""

    where: str
    emulated: bool
    printed: str
    body: Any


def run_measured(
    folder: Path, manifest: Manifest, option: str, runs: int, threads: int | None, on: str | None, timeout: float
) -> Figures:
    """Run a bundle that was checked with ``option`` (``--bench``, ``--profile``), here or ``on`` a board.

    Raises:
        IntegrityError, DeviceError, TargetError: as ``bench``.
    """
    arguments = [option, str(runs), *(["--threads", str(threads)] if threads else [])]
    launcher: Sequence[str] = ()
    if on is not None:
        printed = _run_there(folder, manifest, on, arguments, timeout)
    else:
        launcher = find_launcher(target_of(manifest))
        printed = run_for_text(folder, launcher, arguments)
    try:
        body = json.loads(printed)
    except (ValueError, RecursionError):
        body = None
    return Figures("this host" if on is None else on, bool(launcher), printed, body)


@contextmanager
def told_by(figures: Figures) -> Iterator[None]:
    """
    Raises:
        DeviceError: in the block, what a runner printed turned out to be no figures.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        shown = printable(figures.printed.strip(), 200)
        raise DeviceError(f"the runner on {figures.where} printed no figures: {shown!r}") from error


def timing_of(figures: Figures, body: Any) -> Timing:
    """The figures of whole inferences in ``body``, a part of what was printed.

    Raises:
        ValueError, TypeError: they are none.
    """
    timing = Timing(where=figures.where, emulated=figures.emulated, **body)
    for field in fields(timing):
        value = getattr(timing, field.name)
        if field.name in ("where", "emulated") or (field.name == "threads" and value is None):
            continue
        if field.name != "target":
            check_figure(field.name, value)
        elif not isinstance(value, str):
            raise ValueError("target is no text")
    return timing


def check_figure(name: str, value: Any) -> None:
    """A board prints what it likes: figures are finite numbers that are not negative.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} is no figure")
    if not 0 <= value <= _LARGEST_FIGURE:
        raise ValueError(f"{name} is out of range")


def _run_there(folder: Path, manifest: Manifest, address: str, arguments: list[str], timeout: float) -> str:
    """Output of the runner on the board, once a copy of the bundle has arrived there whole."""
    script = _script(target_of(manifest).architecture, [f"./{RUNNER}", *arguments], timeout)
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(folder, arcname=".")
        # The script's own limit is to come first, for then it tidies up.
        patience = timeout + 60 + packed.tell() / _SLOWEST_LINK
        packed.seek(0)
        answer = run_on(address, script, patience, packed)
    if answer.code:
        raise _failure(folder, address, answer, timeout)
    return answer.out


def _script(architecture: str, command: list[str], timeout: float) -> str:
    """One line without single quotes, which any login shell hands to sh as it is."""
    other = f'echo "it is for {architecture}, and this is $(uname -m)" >&2; exit {IntegrityError.exit_code}'
    return "; ".join((
        f'test "$(uname -m)" = {architecture} || {{ {other}; }}',
        "set -e",
        'folder=$(mktemp -d "${TMPDIR:-/tmp}/rdpass.XXXXXX")',
        'trap "rm -rf \\"$folder\\"" EXIT',
        'trap "exit 143" HUP INT TERM',
        'tar -xf - -C "$folder"',
        'cd "$folder"',
        "sha256sum -c --quiet SHA256SUMS >&2",
        f"timeout {math.ceil(timeout)} {' '.join(command)} </dev/null",
    ))  # fmt: skip


def _failure(folder: Path, address: str, answer: Answer, timeout: float) -> Exception:
    said = " ".join(answer.error.split()) or "it said nothing"
    if answer.code == IntegrityError.exit_code:
        return IntegrityError(f"{folder} on {address}: {said.removeprefix('run: ')}")
    if answer.code == _TIMED_OUT:
        return DeviceError(f"{address} was not done after {timeout:g} s; ask for fewer --runs, or a longer --timeout")
    hint = ""
    if answer.code in _NOT_STARTED:
        hint = f"; `rdpass device doctor {address}` says what it lacks"
    return DeviceError(f"on {address} the runner ended with exit code {answer.code}: {said}{hint}")
