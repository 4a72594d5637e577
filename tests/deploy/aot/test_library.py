"""The C library itself: what it shows, what it needs, and that it keeps to its header with a rough caller."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.aot.library import NETWORK_SOURCES, check_needs
from rdpass.deploy.aot.network import build_aot
from rdpass.deploy.aot.source import SOURCES, write_source
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.runner_program import RUN, RUNTIME, SHARED, description_source, digests_of
from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher

HERE = Path(__file__).parent
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
ALLOCATORS = ("malloc", "calloc", "realloc", "posix_memalign")
SHOWN = {f"rdpass_model_{name}" for name in ("arena_bytes", "init", "inputs", "outputs", "run", "step", "use_threads")}


def test_code_that_would_call_tvms_runtime_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "code.c").write_text(
        "void *TVMBackendAllocWorkspace(void);\nvoid *f(void) { return TVMBackendAllocWorkspace(); }\n"
    )
    compiler = find_compiler(find_target("host"))
    subprocess.run([compiler.tool("gcc"), "-c", "code.c", "-o", "code.o"], cwd=tmp_path, check=True)
    with pytest.raises(ConfigError, match="calls TVMBackendAllocWorkspace of TVM's runtime; use --runtime vm"):
        check_needs(tmp_path / "code.o", compiler)
    (tmp_path / "code.o").write_text("no code")
    with pytest.raises(TargetError, match="could not make the C library"):
        check_needs(tmp_path / "code.o", compiler)


def compile_with(bundle: Bundle, place: Path, *words: str | Path, standard: str = "c11") -> Path:
    compiler = find_compiler(find_target(bundle.manifest.target["name"]))
    command = compiler.command if "++" in standard else compiler.tool("gcc")
    words = (f"-std={standard}", "-O1", "-static", f"-I{bundle.folder}", *words, "-o", place)
    subprocess.run([command, *map(str, words)], check=True)
    return place


def run_with(bundle: Bundle, program: Path, *words: str, given: bytes = b"") -> bytes:
    launcher = find_launcher(find_target(bundle.manifest.target["name"]))
    done = subprocess.run([*launcher, program, *words], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def golden_bytes(bundle: Bundle, kind: str) -> bytes:
    return b"".join(np.load(bundle.folder / name).tobytes() for name in bundle.manifest.golden[kind])


def written_bytes(bundle: Bundle, folder: Path) -> bytes:
    """The bytes of the outputs that the bundle's own program gives for the golden inputs."""
    places = [folder / f"y{index}.npy" for index in range(len(bundle.manifest.outputs))]
    inputs = [bundle.folder / name for name in bundle.manifest.golden["inputs"]]
    run_with(bundle, bundle.folder / "run", "--force", *map(str, [*inputs, *places]))
    return b"".join(np.load(place).tobytes() for place in places)


def _symbols(bundle: Bundle, *options: str) -> set[str]:
    command = ["nm", *options, str(bundle.folder / "librdpass_model.a")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[-1] for line in lines if line and not line.endswith(":")}


def test_it_shows_the_names_of_its_header_alone_and_needs_next_to_nothing(aot_bundle: Bundle) -> None:
    assert _symbols(aot_bundle, "-g", "--defined-only") == SHOWN
    assert _symbols(aot_bundle, "-u") <= {"_GLOBAL_OFFSET_TABLE_", "__tls_get_addr", "memcpy", "memset"}


def test_nothing_of_it_is_written_while_it_runs_but_a_pointer_of_each_threads_own(aot_bundle: Bundle) -> None:
    command = ["size", "-A", str(aot_bundle.folder / "librdpass_model.a")]
    rows = [line.split() for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()]
    sizes = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(".")}
    writable = {name: size for name, size in sizes.items() if name.startswith((".data", ".bss", ".tdata", ".tbss"))}
    # .data.rel.ro: tables with addresses, read only once these are known. .bss: TVM's, which nothing touches.
    assert {name: size for name, size in writable.items() if size and name != ".data.rel.ro.local"} in (
        {".tbss": 8, ".bss": 8}, {".tbss": 8, ".bss": 8, ".data.rel.ro": sizes.get(".data.rel.ro")},
    )  # fmt: skip


@pytest.mark.parametrize("standard", ["c11", "c17", "c++11", "c++20"])
def test_its_header_is_clean_c_and_c_plus_plus(aot_bundle: Bundle, tmp_path: Path, standard: str) -> None:
    source = tmp_path / ("use.cc" if "++" in standard else "use.c")
    source.write_text('#include "rdpass_model.h"\nint main(void) { return rdpass_model_init(0, 0) != 0; }\n')
    words = (*STRICT, source, aot_bundle.folder / "librdpass_model.a")
    run_with(aot_bundle, compile_with(aot_bundle, tmp_path / "use", *words, standard=standard))


def test_its_example_gives_the_programs_bits(aot_bundle: Bundle, tmp_path: Path) -> None:
    folder = aot_bundle.folder
    words = (*STRICT, folder / "example.c", folder / "librdpass_model.a", "-lm")
    example = compile_with(aot_bundle, tmp_path / "example", *words)
    printed = run_with(aot_bundle, example, given=golden_bytes(aot_bundle, "inputs"))
    assert printed == written_bytes(aot_bundle, tmp_path)
    short = subprocess.run([example], input=b"few", capture_output=True, check=False)
    assert (short.returncode, short.stderr) == (2, b"x: too few bytes\n")


def check_rough_caller(bundle: Bundle, folder: Path) -> None:
    """See ``api.c``."""
    wraps = [f"-Wl,--wrap={name}" for name in (*ALLOCATORS, "aligned_alloc")]
    words = (*wraps, HERE / "api.c", bundle.folder / "librdpass_model.a", "-lm")
    program = compile_with(bundle, folder / "api", *words, standard="gnu11")
    assert run_with(bundle, program, given=golden_bytes(bundle, "inputs")) == written_bytes(bundle, folder)


def check_heap(bundle: Bundle, folder: Path, threads: Sequence[int] = (1, 4)) -> int:
    """The arena is all that the runner's network takes of the heap, and nothing is allocated once it is made; the
    arena's bytes. See ``heap.cc``."""
    described = folder / "description.cc"
    described.write_text(description_source(bundle.manifest, {}))
    sources = [*SHARED, *NETWORK_SOURCES, HERE / "heap.cc"]
    wraps = [f"-Wl,--wrap={name}" for name in ALLOCATORS]
    words = (*wraps, f"-I{RUNTIME}", described, *sources, bundle.folder / "librdpass_model.a")
    program = compile_with(bundle, folder / "heap", *words, standard="c++17")
    arena = bundle.manifest.planned_activation_bytes
    for count in threads:
        said, taken, allocations = map(int, run_with(bundle, program, str(count)).split())
        assert (said, allocations) == (arena, 0)
        if count == 1:  # threads have stacks and what the C library keeps of each
            assert arena <= taken <= arena + 2 * 4096  # the allocator's own, and whole pages
    return arena


def test_it_keeps_to_its_header_in_the_hands_of_a_rough_caller(aot_bundle: Bundle, tmp_path: Path) -> None:
    check_rough_caller(aot_bundle, tmp_path)


def test_so_it_does_on_a_board(board_aot_bundle: Bundle, tmp_path: Path) -> None:
    check_rough_caller(board_aot_bundle, tmp_path)


def test_so_it_does_with_several_inputs_and_outputs(two_by_two_onnx: Path, tmp_path: Path) -> None:
    check_rough_caller(compile(two_by_two_onnx, out=tmp_path / "two.rdp", runtime="none"), tmp_path)


def test_the_heap_of_its_program_is_the_arena(aot_bundle: Bundle, tmp_path: Path) -> None:
    check_heap(aot_bundle, tmp_path)


@pytest.mark.parametrize("checks", ["address,undefined", pytest.param("thread", marks=pytest.mark.slow)])
def test_it_is_clean_under_sanitizers(aot_bundle: Bundle, residual_onnx: Path, tmp_path: Path, checks: str) -> None:
    source = read_onnx(residual_onnx)
    network = build_aot(source, import_onnx(source), find_target("host"))
    write_source(tmp_path, network)
    network.functions.write_object(tmp_path / "functions.o")
    bundle = tmp_path / "net.rdp"
    shutil.copytree(aot_bundle.folder / "golden", bundle / "golden")
    (tmp_path / "description.cc").write_text(description_source(aot_bundle.manifest, digests_of(bundle)))
    flags = [f"-fsanitize={checks}", "-fno-sanitize-recover=all", "-O1", "-g", *STRICT]
    for name, language in SOURCES.items():
        subprocess.run(["gcc", *flags, "-x", language, "-c", name, "-o", f"{name}.o"], cwd=tmp_path, check=True)
    objects = ["functions.o", *(f"{name}.o" for name in SOURCES), "description.cc", *(str(p) for p in SHARED)]
    command = [
        "g++",
        "-std=c++17",
        *flags,
        f"-I{RUNTIME}",
        "-I.",
        *objects,
        *map(str, (RUN, *NETWORK_SOURCES)),
        "-o",
        "net.rdp/run",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "bad.npy").write_bytes((bundle / "golden" / "input_0.npy").read_bytes()[:-1])
    for words, code in ((["--verify"], 0), (["--bench", "20", "--threads", "4"], 0), (["bad.npy", "y.npy"], 2)):
        done = subprocess.run([bundle / "run", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, "Sanitizer" in done.stderr) == (code, False), done.stderr
