"""Objects that are kept: found again byte for byte, rebuilt when damaged, made anew when what they come of changes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.cli.app import run as rdpass
from rdpass.core import cache
from rdpass.core.errors import TargetError
from rdpass.deploy.bundle import objects
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.manifest import Runtime
from rdpass.deploy.bundle.objects import KIND, Compilation, compile_objects
from rdpass.deploy.bundle.runner_program import SHARED
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import Compiler, find_compiler

SOURCE = "#include <value.h>\n#include <string>\nstd::string name() { return std::string(VALUE, __FILE__[0]); }\n"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of objects in a cache of this test's own; not there yet."""
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / KIND


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what the compiler was called for."""
    names: list[str] = []
    call = objects.run_compiler

    def count(compiler: Compiler, command: list[str], wanted: str) -> None:
        names.append(wanted)
        call(compiler, command, wanted)

    monkeypatch.setattr(objects, "run_compiler", count)
    return names


@pytest.fixture
def compilation(tmp_path: Path) -> Compilation:
    headers = tmp_path / "headers"
    headers.mkdir()
    (headers / "value.h").write_text("#define VALUE 3\n")
    (tmp_path / "name.cc").write_text(SOURCE)
    return Compilation(find_compiler(find_target("host")), ("-std=c++17", "-Os"), (headers,))


Build = Callable[..., bytes]


@pytest.fixture
def build(compilation: Compilation, tmp_path: Path) -> Build:
    def build(how: Compilation = compilation, cache: bool = True) -> bytes:
        (tmp_path / "out").mkdir(exist_ok=True)
        (made,) = compile_objects(how, [tmp_path / "name.cc"], tmp_path / "out", cache)
        content = made.read_bytes()
        made.unlink()
        return content

    return build


def _bundle(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("runtime", "entries"), [("vm", len(SHARED) + 6), ("none", len(SHARED) + 2)])
def test_a_bundle_is_the_same_bytes_with_a_cold_cache_and_a_warm_one(
    two_by_two_onnx: Path, tmp_path: Path, kept: Path, compiled: list[str], runtime: Runtime, entries: int
) -> None:
    compile(two_by_two_onnx, out=tmp_path / "cold", runtime=runtime)
    assert len(list(kept.iterdir())) == entries
    cold = len(compiled)
    compile(two_by_two_onnx, out=tmp_path / "warm", runtime=runtime)
    assert _bundle(tmp_path / "cold") == _bundle(tmp_path / "warm")
    assert len(compiled) - cold == cold - entries


@pytest.mark.slow
def test_another_network_takes_the_objects_of_the_first(
    two_by_two_onnx: Path, residual_onnx: Path, tmp_path: Path, kept: Path
) -> None:
    compile(two_by_two_onnx, out=tmp_path / "one", runtime="none")
    entries = sorted(kept.iterdir())
    compile(residual_onnx, out=tmp_path / "two", runtime="none", prefix="other")
    assert sorted(kept.iterdir()) == entries


def test_what_was_compiled_is_found_and_not_compiled_again(build: Build, kept: Path, compiled: list[str]) -> None:
    assert build() == build() == build(cache=False)
    assert compiled == ["name.cc", "name.cc"]
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [lambda entry: b"", lambda entry: entry[:-1], lambda entry: entry[:-1] + b"\xff", lambda entry: b"\0" + entry[1:]],
    ids=["empty", "truncated", "changed at the end", "changed in front"],
)
def test_a_damaged_entry_is_rebuilt(
    build: Build, kept: Path, compiled: list[str], damage: Callable[[bytes], bytes]
) -> None:
    right = build()
    (entry,) = kept.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert build() == right
    assert entry.read_bytes() == whole
    assert len(compiled) == 2


def test_an_entry_under_the_name_of_another_is_not_used(build: Build, kept: Path, compilation: Compilation) -> None:
    right = build()
    (entry,) = kept.iterdir()
    build(replace(compilation, flags=(*compilation.flags, "-DOTHER", "-O0")))
    (other,) = set(kept.iterdir()) - {entry}
    shutil.copy(other, entry)
    assert build() == right


def test_a_changed_source_header_flag_or_variable_misses(
    build: Build, kept: Path, compilation: Compilation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build()
    (compilation.headers[0] / "value.h").write_text("#define VALUE 4\n")
    changed = build()
    assert changed == build(cache=False) != first
    (tmp_path / "name.cc").write_text(SOURCE.replace("[0]", "[1]"))
    assert build() == build(cache=False)
    faster = replace(compilation, flags=("-std=c++17", "-O2"))
    assert build(faster) == build(faster, cache=False)
    monkeypatch.setenv("CPATH", str(tmp_path))
    build()
    assert len(list(kept.iterdir())) == 5


def test_the_compiler_counts_by_its_version_and_not_by_its_place(
    build: Build, kept: Path, compilation: Compilation, tmp_path: Path
) -> None:
    def wrapped(name: str, body: str) -> Compilation:
        script = tmp_path / name / "g++"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\n{body}\nexec {compilation.compiler.command} "$@"\n')
        script.chmod(0o755)
        return replace(compilation, compiler=replace(compilation.compiler, command=str(script)))

    build()
    build(wrapped("elsewhere", ""))
    assert len(list(kept.iterdir())) == 1
    build(wrapped("newer", '[ "$1" = --version ] && echo "g++ (newer) 99" && exit'))
    assert len(list(kept.iterdir())) == 2
    build(wrapped("mute", 'case "$*" in *-dM*) exit 1;; esac'))
    assert len(list(kept.iterdir())) == 2


def test_processes_at_once_all_succeed(build: Build, kept: Path, compilation: Compilation, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rdpass.deploy.bundle.objects import Compilation, compile_objects\n"
        "from rdpass.targets.lookup import find_target; from rdpass.targets.toolchain import find_compiler\n"
        "sys.stdin.readline()\n"
        f"compiler, flags = find_compiler(find_target('host')), {compilation.flags}\n"
        f"compilation = Compilation(compiler, flags, (Path({str(compilation.headers[0])!r}),))\n"
        f"compile_objects(compilation, [Path({str(tmp_path / 'name.cc')!r})], Path(sys.argv[1]), True)\n"
    )
    folders = [tmp_path / f"process_{index}" for index in range(4)]
    processes = []
    for folder in folders:
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        command = [sys.executable, "-c", code, str(folder)]
        processes.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE))
    for process in processes:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    assert {(folder / "name.o").read_bytes() for folder in folders} == {build(cache=False)}
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize("place", ["file", "/proc/rdpass"])
def test_a_cache_that_cant_be_written_is_done_without(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / place))
    assert build() == build() == build(cache=False)


def test_a_full_cache_is_done_without_and_nothing_half_is_left(
    build: Build, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*places: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    assert build() == build(cache=False)
    assert list(kept.iterdir()) == []


def test_a_user_without_a_home_compiles_without_the_cache(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RDPASS_CACHE", raising=False)
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert build() == build(cache=False)


def test_what_can_not_be_compiled_is_named_and_not_kept(build: Build, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "name.cc").write_text("int name() { return nothing; }\n")
    with pytest.raises(TargetError, match=r"could not compile name\.cc: .*nothing. was not declared"):
        build()
    assert not kept.exists()


def test_no_cache_neither_reads_nor_writes_and_gives_the_same_bytes(
    residual_onnx: Path, aot_bundle: Bundle, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*asked: object) -> None:
        raise AssertionError("the cache was read")

    monkeypatch.setattr(objects, "read_kept", never)
    command = ["compile", str(residual_onnx), "-o", str(tmp_path / "net.rdp"), "--runtime", "none", "--no-cache"]
    assert rdpass(command) == 0
    assert _bundle(tmp_path / "net.rdp") == _bundle(aot_bundle.folder)
    assert not kept.parent.exists()
