"""C++ files that are the same for every network, compiled once: their objects are kept in the cache folder.

An object's key is a hash of all that decides its bytes, and of no place: the source, every header it may include, the
flags, and the compiler (see ``_compiler_digest``).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.cache import keep, read_kept
from rdpass.core.errors import TargetError
from rdpass.targets.toolchain import Compiler

KIND = "objects"
"""The folder in the cache."""

_ENVIRONMENT = ("CPATH", "CPLUS_INCLUDE_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX")
"""Variables by which a user leads the compiler to other headers or parts of its own."""


@dataclass(frozen=True)
class Compilation:
    """How sources become objects: compiler, flags, and the folders of headers that are not its own."""

    compiler: Compiler
    flags: tuple[str, ...]
    headers: tuple[Path, ...]

    @property
    def command(self) -> tuple[str, ...]:
        # Equal sources are equal objects: without the places that the headers lie at on this machine.
        places = [option for path in self.headers for option in (f"-isystem{path}", f"-ffile-prefix-map={path}=.")]
        return (*self.compiler.call, *self.flags, *places)


def compile_objects(compilation: Compilation, sources: Sequence[Path], folder: Path, cache: bool) -> list[Path]:
    """The objects of ``sources``, in ``folder``; with ``cache`` those that were made before are found, not made.

    Raises:
        TargetError: the compiler failed; the message carries the first thing it said.
    """
    digest = _compilation_digest(compilation) if cache else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda source: _object(compilation, source, folder / f"{source.stem}.o", digest), sources))


def run_compiler(compiler: Compiler, command: Iterable[str], wanted: str) -> None:
    """
    Raises:
        TargetError: the compiler failed; the message says at what, and the first thing it said.
    """
    done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    if done.returncode:
        told = (line for line in done.stderr.splitlines() if "error" in line or "undefined reference" in line)
        reason = next(told, done.stderr.strip())
        raise TargetError(f"{compiler.version} could not compile {wanted}: {reason}")


def _object(compilation: Compilation, source: Path, place: Path, digest: str | None) -> Path:
    key = None if digest is None else _hash(digest.encode(), source.name.encode(), source.read_bytes())
    found = None if key is None else read_kept(KIND, key)
    if found is not None:
        place.write_bytes(found)
        return place
    run_compiler(compilation.compiler, [*compilation.command, "-c", str(source), "-o", str(place)], source.name)
    if key is not None:
        keep(KIND, key, place.read_bytes())
    return place


def _compilation_digest(compilation: Compilation) -> str | None:
    """Of all that decides an object's bytes but its source; None where the compiler does not say what it is."""
    compiler = _compiler_digest(compilation)
    if compiler is None:
        return None
    headers = [(folder, path) for folder in compilation.headers for path in sorted(folder.rglob("*.h"))]
    texts = [part for folder, path in headers for part in (str(path.relative_to(folder)).encode(), path.read_bytes())]
    variables = [os.environ.get(name, "").encode() for name in _ENVIRONMENT]
    flags = [flag.encode() for flag in (*compilation.compiler.options, *compilation.flags)]
    return _hash(compiler.encode(), repr((flags, variables)).encode(), *texts)


def _compiler_digest(compilation: Compilation) -> str | None:
    """Of the compiler's and its assembler's versions, and of every macro of the compiler, its C library and its C++
    library: these name their releases, the architecture and what is on by default."""
    compiler = compilation.compiler
    macros = _said([*compiler.call, *compilation.flags, "-E", "-dM", "-include", "cstdlib", "-x", "c++", os.devnull])
    if not macros:
        return None
    # Later lines of a version name folders.
    versions = [_said([tool, "--version"]).partition(b"\n")[0] for tool in (compiler.command, compiler.tool("as"))]
    return _hash(*versions, macros)


def _said(command: Sequence[str]) -> bytes:
    """On stdout; nothing where it failed."""
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return b""
    return b"" if done.returncode else done.stdout


def _hash(*parts: bytes) -> str:
    """Of the parts one by one, so that no two lists of them run together into the same bytes."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
