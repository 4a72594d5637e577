"""``librdpass_model.a``: functions, calls and weights linked into one object, of which only the header's names show.

With another prefix (``names``) library, header and all names that show begin with that.

Equal networks give equal bytes: nothing in it names a place, a time or a process.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.aot.names import PREFIX, PUBLIC, header_of, library_of, usual_names
from rdpass.deploy.aot.network import Network
from rdpass.deploy.aot.source import EXAMPLE, SOURCES, write_source
from rdpass.deploy.bundle.execution import RUNNER
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.runner_program import (
    LIBRARY_LINK,
    LIBRARY_SHARED,
    NETWORK_LIBRARY,
    RUN,
    RUNTIME,
    SHARED,
    Parts,
    Product,
    compile_products,
)
from rdpass.deploy.lowering import LINK_OPTIONS
from rdpass.targets.toolchain import Compiler

_COMPILE = ("-std=c11", "-O2", "-fPIC", "-ffreestanding", "-fno-asynchronous-unwind-tables", "-c")
_JOIN = ("-r", "-nostdlib", "-Wl,--build-id=none")
_STRIP = ("--strip-debug", "--remove-section=.comment")

_CALLERS = (RUNTIME / "ahead_network.cc",)
"""They include the library's header."""

NETWORK_SOURCES = (*_CALLERS, RUNTIME / "thread_pool.cc")
"""What runs the network in a program or a shared library, besides what all bundles share."""


def write_c_library(folder: Path, network: Network, compiler: Compiler) -> None:
    """Write the library, its header and an example of their use into ``folder``.

    Raises:
        ConfigError: the code needs TVM's runtime after all.
        TargetError: a tool of the compiler's failed.
    """
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        write_source(work, network)
        network.functions.write_object(work / "functions.o")
        objects = ["functions.o"]
        for source, language in SOURCES.items():
            objects.append(f"{source}.o")
            _run(work, compiler, [*compiler.call, *_COMPILE, "-x", language, source, "-o", objects[-1]])
        joined, library = f"{network.prefix}.o", library_of(network.prefix)
        _run(work, compiler, [*compiler.call, *_JOIN, *objects, "-o", joined])
        check_needs(work / joined, compiler)
        shown = [f"--keep-global-symbol={network.prefix}_{name}" for name in PUBLIC]
        _run(work, compiler, [compiler.tool("objcopy"), *shown, *_STRIP, joined])
        _run(work, compiler, [compiler.tool("ar"), "rcsD", library, joined])
        for name in (library, header_of(network.prefix), EXAMPLE):
            (folder / name).write_bytes((work / name).read_bytes())


def check_needs(linked: Path, compiler: Compiler) -> None:
    """Refuse code that would call TVM's runtime: nobody could link it.

    Raises:
        ConfigError: it would; the message names the functions.
    """
    printed = _run(linked.parent, compiler, [compiler.tool("nm"), "-u", linked.name])
    names = sorted({word for word in printed.split() if word.lstrip("_").startswith("TVM")})
    if names:
        raise ConfigError(f"the network calls {', '.join(names)} of TVM's runtime; use --runtime vm")


def link_program(folder: Path, manifest: Manifest, prefix: str, compiler: Compiler, cache: bool) -> None:
    """Link the static program ``run`` of the library in ``folder``: the command line that every bundle has.

    Raises:
        TargetError: the compiler failed.
    """
    sources = (*SHARED, RUN, *NETWORK_SOURCES)
    link = ("-static", "-Wl,--gc-sections", str(folder / library_of(prefix)), *LINK_OPTIONS)
    product = Product(folder / RUNNER, sources, link)
    _link(folder, product, "-ffunction-sections", manifest, prefix, compiler, cache)


def link_library(folder: Path, manifest: Manifest, prefix: str, compiler: Compiler, cache: bool) -> None:
    """Link the shared library that Python and other programs load, of the library in ``folder``.

    Raises:
        TargetError: the compiler failed.
    """
    sources = (*LIBRARY_SHARED, *NETWORK_SOURCES, RUNTIME / "old_libraries.cc")
    link = (*LIBRARY_LINK, str(folder / library_of(prefix)), "-lm", *LINK_OPTIONS)
    product = Product(folder / NETWORK_LIBRARY, sources, link)
    _link(folder, product, "-fPIC", manifest, prefix, compiler, cache)


def _link(
    folder: Path, product: Product, flag: str, manifest: Manifest, prefix: str, compiler: Compiler, cache: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        if prefix != PREFIX:
            Path(place, header_of(PREFIX)).write_text(usual_names(prefix))
        parts = Parts(products=(product,), flags=(flag,), own=_CALLERS, own_headers=(Path(place), folder))
        compile_products(folder, manifest, compiler, parts, cache)


def _run(folder: Path, compiler: Compiler, command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise TargetError(f"{command[0]} can't be started: {error.strerror}") from error
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
        raise TargetError(f"{compiler.version} could not make the C library: {reason}")
    return done.stdout
