"""A board that is none: an aarch64 Python with TVM's runtime under qemu, to serve TVM's RPC on loopback.

    python -m benchmarks.emulated_board            set it up, once (about 150 MB from Debian and PyPI)
    python -m benchmarks.emulated_board --serve 127.0.0.1:9190 --key emulated

1. apt resolves, checks and downloads python3.11 and the C++ library for arm64, from Debian, into a state of its own: no
   root, and nothing of this system is changed. They are unpacked into a folder.
2. pip downloads the aarch64 wheels of the installed versions of TVM, numpy and what these need.
3. A script called ``python`` starts that Python under qemu-aarch64.

All of it is kept in ``$RDPASS_CACHE`` (by default ``~/.cache/rdpass``), under ``emulated-board``. Times measured there
are the emulator's and say nothing of ARM.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from rdpass.core.errors import RdpassError, TargetError
from rdpass.core.files import new_folder
from rdpass.deploy.bundle.runtime_libraries import tvm_versions
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import emulated_core

DEBIAN = "bookworm"
_PACKAGES = ("python3.11", "libstdc++6", "libgomp1")
_WHEELS = ("apache-tvm", "apache-tvm-ffi", "numpy", "ml_dtypes", "typing_extensions", "cloudpickle", "psutil")
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PORTS = ("--port", "9400", "--port-end", "9499")


def board_folder() -> Path:
    """Where it is kept, whether it is there or not: one folder for each release of TVM."""
    root = Path(os.environ.get("RDPASS_CACHE") or Path.home() / ".cache" / "rdpass")
    return root / "emulated-board" / "-".join(f"{name}-{number}" for name, number in tvm_versions().items())


def find_board() -> Path:
    """The script that starts the emulated Python.

    Raises:
        TargetError: it has not been set up.
    """
    script = board_folder() / "python"
    if not script.exists():
        raise TargetError("the emulated board is not set up; python -m benchmarks.emulated_board downloads it")
    return script


def set_up() -> Path:
    """Download and unpack everything, unless that was done before, and return the script.

    Raises:
        TargetError: a tool is missing, or a download failed.
    """
    place = board_folder()
    if not (place / "python").exists():
        emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
        if emulator is None:
            raise TargetError("qemu-aarch64 is not on the PATH; apt install qemu-user")
        with new_folder(place) as folder:
            _unpack_debian(folder)
            _unpack_wheels(folder)
            _write_script(folder, place, emulator)
    return find_board()


def serve_command(tracker: str, key: str) -> list[str]:
    """The command of an RPC server on loopback, known to ``tracker`` (HOST:PORT) under ``key``.

    The server starts a Python of its own, which has to be the script again: this kernel runs no aarch64 program.
    """
    script = str(find_board())
    arguments = ["rpc_server", "--host", "127.0.0.1", *_PORTS, "--tracker", tracker, "--key", key]
    code = (
        f"import runpy, sys; sys.executable = {script!r}; sys.argv = {arguments!r};"
        "runpy.run_module('tvm.exec.rpc_server', run_name='__main__')"
    )
    return [script, "-c", code]


def _unpack_debian(folder: Path) -> None:
    apt = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    signed = f"[signed-by={_KEYS}] " if Path(_KEYS).exists() else ""
    (apt / "sources.list").write_text(f"deb {signed}http://deb.debian.org/debian {DEBIAN} main\n")
    settings = {
        "APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "root",
        "Dir::Etc::sourcelist": apt / "sources.list", "Dir::Etc::sourceparts": "-", "Debug::NoLocking": "true",
        "Dir::State::status": apt / "status", "Dir::State::lists": apt / "lists", "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
    }  # fmt: skip
    command = ["apt-get", "-qq", "-y", *(f"-o{name}={value}" for name, value in settings.items())]
    _run([*command, "update"])
    _run([*command, "install", "--download-only", "--no-install-recommends", *_PACKAGES])
    for archive in sorted((apt / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(folder / "root")])
    shutil.rmtree(apt)


def _unpack_wheels(folder: Path) -> None:
    wheels = folder / "wheels"
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    wanted = [f"{name}=={version(name)}" for name in _WHEELS]
    where = [*platforms, "--python-version", "3.11", "--only-binary=:all:", "--no-deps", "--dest", str(wheels)]
    _run([sys.executable, "-m", "pip", "download", "--quiet", *where, *wanted])
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    shutil.rmtree(wheels)
    # TVM's compiler, two thirds of it all: a board needs the runtime alone.
    (folder / "site" / "tvm" / "lib" / "libtvm_compiler.so").unlink(missing_ok=True)


def _write_script(folder: Path, place: Path, emulator: str) -> None:
    core = emulated_core(emulator, find_target("rpi4"))
    script = folder / "python"
    script.write_text(
        f"#!/bin/sh\nexport PYTHONHOME='{place}/root/usr' PYTHONPATH='{place}/site' TVM_USE_RUNTIME_LIB=1\n"
        f"exec '{emulator}' -cpu {core} -L '{place}/root' '{place}/root/usr/bin/python3.11' \"$@\"\n"
    )
    script.chmod(0o755)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise TargetError(f"{command[0]} can't be started: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise TargetError(f"{command[0]} failed: {lines[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", metavar="HOST:PORT", help="start a server for the tracker there")
    parser.add_argument("--key", default="emulated", help="the key that the server goes by")
    options = parser.parse_args()
    try:
        script = set_up()
        if options.serve:
            command = serve_command(options.serve, options.key)
            os.execv(command[0], command)
    except RdpassError as error:
        print(f"emulated_board: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(script)


if __name__ == "__main__":
    main()
