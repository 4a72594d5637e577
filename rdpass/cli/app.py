"""Joins the subcommands and turns every error into one line on stderr and the exit code of its kind.

Results go to stdout, everything else to stderr. Subcommands import what is heavy when they run, so that
``rdpass --help`` answers at once.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from rdpass import __version__
from rdpass.cli.bench import bench_command
from rdpass.cli.compile import compile_command
from rdpass.cli.convert import convert_command
from rdpass.cli.db import app as db_app
from rdpass.cli.device import device_app
from rdpass.cli.doctor import doctor_command
from rdpass.cli.evaluate import evaluate_command
from rdpass.cli.export import export_command
from rdpass.cli.fit import fit_command
from rdpass.cli.inspect import inspect_command
from rdpass.cli.profile import profile_command
from rdpass.cli.quantize import quantize_command
from rdpass.cli.recipes import recipes_command
from rdpass.cli.report import report_command
from rdpass.cli.run import run_command
from rdpass.cli.targets import targets_command
from rdpass.cli.tune import tune_command
from rdpass.cli.verify import verify_command
from rdpass.core.errors import ConfigError, PassError, RdpassError
from rdpass.core.files import FULL
from rdpass.core.printable import printable

TERMINATED = 143
OUTPUT_FAILED = 1
LONGEST_MESSAGE = 2000
LEAST_SPACE, LEAST_FILES = 2**31, 64
"""Bytes of address space and open files that every command on a small network does with."""

app = typer.Typer(
    help="Take the shortcuts out of a trained residual network and deploy it on ARM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("inspect")(inspect_command)
app.command("convert")(convert_command)
app.command("export")(export_command)
app.command("fit")(fit_command)
app.command("quantize")(quantize_command)
app.command("evaluate")(evaluate_command)
app.command("compile")(compile_command)
app.command("tune")(tune_command)
app.command("run")(run_command)
app.command("bench")(bench_command)
app.command("profile")(profile_command)
app.command("verify")(verify_command)
app.command("report")(report_command)
app.command("recipes")(recipes_command)
app.command("targets")(targets_command)
app.command("doctor")(doctor_command)
app.add_typer(db_app, name="db")
app.add_typer(device_app, name="device")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rdpass {__version__}")
        for package in ("torch", "apache-tvm", "onnxruntime"):
            typer.echo(f"{package} {_installed(package)}")
        raise typer.Exit


def _installed(package: str) -> str:
    """A package's version, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"


@app.callback()
def _root(
    asked: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print versions, of torch and TVM too."),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line with ``arguments`` (default: the process's own) and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    code = run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _output_failed(error)
    sys.exit(code)


def _terminate(signum: int, frame: object) -> None:
    """Unwind like Ctrl-C does, so that temporaries go and what was saved stays."""
    os.write(sys.stderr.fileno(), b"rdpass: terminated\n")  # print is not reentrant
    raise SystemExit(TERMINATED)


def run(arguments: list[str] | None = None) -> int:
    """The exit code of one command line; see the table in docs/troubleshooting.md."""
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch's to itself; a user can do nothing about them
    if not _has_current_folder():
        print("rdpass: the current folder is gone; change to one that is there", file=sys.stderr)
        return ConfigError.exit_code
    try:
        app(arguments)
    except SystemExit as stop:  # typer ends every command so, 130 for Ctrl-C among them
        return stop.code if isinstance(stop.code, int) else 0
    except PassError:
        traceback.print_exc()
        return PassError.exit_code
    except RdpassError as error:
        _complain(printable(" ".join(str(error).split()), LONGEST_MESSAGE))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
            return _output_failed(error)
        limit = _limit_met(error)
        if limit is None:
            raise
        _complain(limit)
        return ConfigError.exit_code
    return 0


def _complain(message: str) -> None:
    """One line on stderr; on a terminal broken between words, its beginning in red where ``NO_COLOR`` is not set."""
    if not sys.stderr.isatty():
        print(f"rdpass: {message}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text.assemble(("rdpass:", "red"), f" {message}"))


def _limit_met(error: Exception) -> str | None:
    """What this process has too little of, if that is why it failed; libraries say so in many ways.

    Where the whole address space is small, any failure may come of it: what can't be loaded, or is half loaded.
    """
    space, files = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE))
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EMFILE, errno.ENFILE):
        return f"no more files can be opened: this process may have {files} open (ulimit -n); {LEAST_FILES} are enough"
    is_small = space != resource.RLIM_INFINITY and space <= LEAST_SPACE  # no limit at all is -1
    if isinstance(error, MemoryError) or number == errno.ENOMEM or is_small:
        may = "" if space == resource.RLIM_INFINITY else f": this process may use {space >> 20} MB (ulimit -v)"
        return f"there is not enough memory{may}; a small network takes {LEAST_SPACE >> 20} MB"
    return None


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _output_failed(error: OSError) -> int:
    print(f"rdpass: stdout can't be written: {error.strerror}", file=sys.stderr)
    # Python flushes once more at its end, and would say in its own words that it can't.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OUTPUT_FAILED
