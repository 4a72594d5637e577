"""What can't be counted without the cross compiler, the emulator and LLVM's tools is skipped, with the reason."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest

from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.profiling.emulation.emulator import Caches, Profile, profile
from rdpass.profiling.emulation.llvm_tools import find_llvm_tool
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.targets.lookup import Target, find_target
from rdpass.targets.toolchain import find_compiler, find_launcher
from tests.deploy.conftest import residual_net

CodeProfile = Callable[..., Profile]


@pytest.fixture(scope="session")
def llvm() -> None:
    try:
        find_llvm_tool("llvm-mc")
        find_llvm_tool("llvm-mca")
    except TargetError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="package")
def rpi4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The target, with an empty cache, but for TVM's runtime if that has been fetched.

    Other packages' tests have the cache of this machine: the emulated board is in it.
    """
    target = find_target("rpi4")
    try:
        find_compiler(target)
        find_launcher(target)
    except TargetError as error:
        pytest.skip(str(error))
    cache, runtime = tmp_path_factory.mktemp("cache"), cache_folder().parent / "runtime"
    if runtime.is_dir():
        (cache / "runtime").symlink_to(runtime.absolute())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RDPASS_CACHE", str(cache))
        yield target


@pytest.fixture(scope="package")
def runtime(rpi4: Target) -> None:
    try:
        find_libraries(rpi4)
    except TargetError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def residual_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "residual.onnx"
    onnx.save(residual_net(), path)
    return path


@pytest.fixture
def profile_of(rpi4: Target, tmp_path: Path) -> CodeProfile:
    """Profiles a C statement between the two marks."""

    def measure(code: str, caches: Caches | None = None, before: str = "") -> Profile:
        (tmp_path / "program.c").write_text(
            f"#include <sys/resource.h>\nstatic char memory[4 << 20] __attribute__((aligned(4096)));\n"
            f"int main(void) {{ volatile char* m = memory; (void)m; {before}\n"
            f"getpriority(0x52440001, 0); {code} getpriority(0x52440002, 0); return 0; }}\n"
        )
        command = [find_compiler(rpi4).command, "-x", "c", "-O1", "-static", "program.c", "-o", "program"]
        subprocess.run(command, cwd=tmp_path, check=True)
        return profile(tmp_path, ["./program"], rpi4, caches)

    return measure
