"""``load``: numpy in, numpy out, without torch or TVM's compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run
from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.runner import load

RUN = """
import sys
import numpy as np
from rdpass.deploy.bundle.runner import load
folder = sys.argv[1]
output = load(folder)(np.load(folder + "/golden/input_0.npy"))
expected = np.load(folder + "/golden/output_0.npy")
assert np.abs(output - expected).max() <= 1e-5 * np.abs(expected).max()
maps = open("/proc/self/maps").read()
"""


def _python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Scope" not in done.stderr
    return done.stdout.strip()


def test_importing_the_runner_imports_no_framework(host_bundle: Bundle) -> None:
    frameworks = "{'torch', 'tvm', 'tvm_ffi', 'onnx', 'onnxruntime'}"
    code = f"import sys, rdpass.deploy.bundle.runner; print(*{frameworks} & sys.modules.keys())"
    assert _python(code, host_bundle.folder) == ""


def test_it_runs_on_its_own_runtime_where_neither_torch_nor_tvm_is_installed(host_bundle: Bundle) -> None:
    absent = "import sys; sys.modules['torch'] = sys.modules['tvm'] = None"
    _python(absent + RUN + "assert '/net.rdp/lib/libtvm_runtime.so' in maps", host_bundle.folder)


def test_it_does_not_load_the_compiler_where_that_is_installed(host_bundle: Bundle) -> None:
    # tvm_ffi itself imports torch where there is one, so torch can't be asked for here.
    _python(RUN + "assert 'tvm' not in sys.modules and 'libtvm_compiler' not in maps", host_bundle.folder)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [("import tvm", ""), ("", "import tvm; tvm.runtime.tensor(expected)")])
def test_it_gets_along_with_tvm_imported_before_or_after(host_bundle: Bundle, before: str, after: str) -> None:
    once = "assert len({line.split()[-1] for line in maps.splitlines() if 'libtvm_runtime.so' in line}) == 1\n"
    _python(before + RUN + once + after, host_bundle.folder)


def test_two_bundles_can_be_loaded_in_one_process(host_bundle: Bundle) -> None:
    first, second = load(host_bundle.folder), load(host_bundle.folder)
    x = np.ones((1, 3, 17, 15), np.float32)
    assert np.array_equal(first(x), second(x))


def test_an_output_is_the_callers_own(host_bundle: Bundle) -> None:
    runner = load(host_bundle.folder)
    x = np.ones((1, 3, 17, 15), np.float32)
    first = runner(x)
    kept = first.copy()
    runner(-x)
    assert np.array_equal(first, kept)
    first[...] = 0
    assert np.array_equal(runner(x), kept)


@pytest.mark.parametrize("offset", range(4))
def test_inputs_of_any_layout_and_alignment_are_taken(host_bundle: Bundle, offset: int) -> None:
    runner = load(host_bundle.folder)
    x = np.load(host_bundle.folder / "golden/input_0.npy")
    room = np.empty(x.nbytes + 4, np.uint8)
    shifted = room[offset : offset + x.nbytes].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    shifted.flags.writeable = False
    for given in (shifted, np.asfortranarray(x)):
        assert relative_error(runner(given), runner(x)) == 0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), r"0 inputs given; the model takes 'x' \(float32 \(1, 3, 17, 15\)\)"),
        ((np.zeros((1, 3, 17, 15), np.float32),) * 2, "2 inputs given"),
        ((np.zeros((3, 17, 15), np.float32),), r"'x' .* was given float32 \(3, 17, 15\)"),
        ((np.zeros((1, 3, 17, 15)),), "'x' .* was given float64"),
        (([1.0],), "'x' .* numpy array, not list"),
    ],
)
def test_wrong_inputs_are_refused_by_name(host_bundle: Bundle, inputs: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(host_bundle.folder)(*inputs)


@pytest.mark.parametrize("kind", ["host_bundle", "aot_bundle"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_pixel_that_is_not_finite_is_refused_by_every_way_to_run(
    kind: str, value: float, request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Kernels drop it where ONNX Runtime hands it on: nobody could tell from the output."""
    bundle = request.getfixturevalue(kind)
    folder = bundle.folder
    x = np.load(folder / "golden/input_0.npy")
    x[0, 1, 2, 3] = value
    np.save(tmp_path / "x.npy", x)
    words = ["run", str(folder), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]
    assert run(words) == 2
    assert "holds NaN or infinity, and the outputs may not show it; --allow-nonfinite" in capfd.readouterr().err
    assert not (tmp_path / "y.npy").exists()
    assert run([*words, "--allow-nonfinite"]) == 0
    assert np.load(tmp_path / "y.npy").shape == (1, 5)
    if kind == "host_bundle":
        runner = load(folder)
        with pytest.raises(ConfigError, match=r"input 'x' .* holds NaN or infinity"):
            runner(x)
        assert runner(x, allow_nonfinite=True).shape == (1, 5)
