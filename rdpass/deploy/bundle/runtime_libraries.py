"""TVM's two runtime libraries for a target: this machine's come with the installed packages, another architecture's
from the same release's wheels, kept in a cache folder. Nothing is downloaded unless ``fetch_libraries`` is called.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

from rdpass.core.cache import cache_root
from rdpass.core.errors import TargetError
from rdpass.core.files import new_folder
from rdpass.targets.lookup import Target

# Each library, and the package whose wheel carries it under <package>/lib.
_HOME = {"libtvm_runtime.so": "tvm", "libtvm_ffi.so": "tvm_ffi"}
_DISTRIBUTION = {"tvm": "apache-tvm", "tvm_ffi": "apache-tvm-ffi"}
# The newest glibc the wheels ask for; boards with an older one can't run them anyway.
_PLATFORM = "manylinux_2_28"


def tvm_versions() -> dict[str, str]:
    """The installed versions of the two distributions, by distribution name."""
    return {name: version(name) for name in _DISTRIBUTION.values()}


def find_libraries(target: Target) -> tuple[Path, ...]:
    """Find ``libtvm_runtime.so`` and ``libtvm_ffi.so`` for ``target``.

    Raises:
        TargetError: one is missing; the message says how to get it.
    """
    if target.is_android:
        raise TargetError(f"TVM has no runtime for Android; build for {target.name} with --runtime none")
    paths = tuple(_installed(name) if target.is_native else _cached(target) / name for name in _HOME)
    for path in paths:
        if not path.is_file():
            raise TargetError(f"TVM's {path.name} for {target.architecture} is not here; {_remedy(target)}")
    return paths


def fetch_libraries(target: Target) -> tuple[Path, ...]:
    """Download the wheels of the installed versions for ``target``'s architecture and keep their runtime libraries.

    Raises:
        TargetError: the download failed, or the wheels don't hold the libraries.
    """
    if target.is_native:
        return find_libraries(target)
    with (
        new_folder(_cached(target), force=True, written=lambda folder: _HOME) as folder,
        tempfile.TemporaryDirectory() as wheels,
    ):
        _download(target, Path(wheels))
        for name, package in _HOME.items():
            (folder / name).write_bytes(_from_wheels(Path(wheels), f"{package}/lib/{name}"))
    return find_libraries(target)


def _installed(name: str) -> Path:
    spec = importlib.util.find_spec(_HOME[name])
    if spec is None or spec.origin is None:
        raise TargetError(f"the package {_DISTRIBUTION[_HOME[name]]} is not installed; pip install rdpass brings it")
    return Path(spec.origin).parent / "lib" / name


def _cached(target: Target) -> Path:
    release = "-".join(f"{name}-{number}" for name, number in tvm_versions().items())
    return cache_root() / "runtime" / target.architecture / release


def _remedy(target: Target) -> str:
    if target.is_native:
        return "install apache-tvm and apache-tvm-ffi again"
    return f"`rdpass doctor --fetch-runtime {target.name}` downloads it"


def _download(target: Target, folder: Path) -> None:
    wanted = [f"{name}=={number}" for name, number in tvm_versions().items()]
    where = ["--platform", f"{_PLATFORM}_{target.architecture}", "--only-binary=:all:", "--no-deps"]
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", *where, "--dest", str(folder), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise TargetError(f"the runtime for {target.name} could not be downloaded: {reason}")


def _from_wheels(folder: Path, member: str) -> bytes:
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            if member in archive.namelist():
                return archive.read(member)
    raise TargetError(f"no downloaded wheel holds {member}")
