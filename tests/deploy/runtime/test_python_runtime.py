"""The wheel that runs bundles on a board: numpy is all it needs, and nothing is loaded that was not hashed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rdpass_runtime.bundle
from PIL import Image
from rdpass_runtime import InputError, IntegrityError, Network, NetworkError, RuntimeFailure

from benchmarks.emulated_board import find_board
from rdpass.core.errors import TargetError
from rdpass.core.images import read_image
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.execution import execute, run_for_text
from rdpass.deploy.bundle.manifest import open_sealed, seal
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_launcher

ROOT = Path(__file__).parents[3]
BLOCKED = ("torch", "tvm", "tvm_ffi", "typer", "pydantic", "rdpass")
# Runs the bundles named on the command line on one input, and writes the outputs beside it.
PROGRAM = f"""
import sys
sys.path[:0] = sys.argv[1].split(":")
sys.modules.update(dict.fromkeys({BLOCKED}))  # whoever imports one of these fails
import numpy
from rdpass_runtime import Network
given = numpy.load(sys.argv[2] + "/x.npy")
for index, folder in enumerate(sys.argv[3:]):
    with Network(folder) as network:
        numpy.save(sys.argv[2] + f"/y{{index}}.npy", network(given))
print(sorted({{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as docs say, of a copy, for pip leaves a folder in what it builds."""
    place = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "runtime", place / "runtime", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", place, place / "runtime"], check=True, capture_output=True)
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def _check_bits(python: list[str], site: list[Path], folder: Path, bundles: list[Bundle]) -> None:
    x = np.random.default_rng(1).standard_normal(bundles[0].manifest.inputs[0].shape).astype(np.float32)
    np.save(folder / "x.npy", x)
    command = [*python, "-c", PROGRAM, ":".join(map(str, site)), folder, *(bundle.folder for bundle in bundles)]
    environment = {**os.environ, "TVM_THREAD_POOL_SPIN_COUNT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = {name for name in eval(done.stdout) if not name.startswith(("_", "sitecustomize"))}
    assert {"numpy", "rdpass_runtime"} <= loaded <= {"numpy", "rdpass_runtime", *BLOCKED}
    for index, bundle in enumerate(bundles):
        launcher = find_launcher(find_target(bundle.manifest.target["name"]))
        (expected,) = execute(bundle.folder, bundle.manifest, launcher, [x])
        assert np.load(folder / f"y{index}.npy").tobytes() == expected.tobytes()


def test_the_wheel_is_of_python_alone_for_every_machine_and_needs_numpy(wheel: Path, unpacked: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    sources = {path.name for path in (ROOT / "runtime" / "rdpass_runtime").iterdir() if path.name != "__pycache__"}
    assert {path.name for path in (unpacked / "rdpass_runtime").iterdir()} == sources
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    assert re.findall("^Requires-Dist: (.*)", metadata.read_text(), re.MULTILINE) == ["numpy"]
    assert wheel.stat().st_size < 30_000


def test_both_kinds_give_the_programs_bits_where_there_is_numpy_alone(
    unpacked: Path, host_bundle: Bundle, shared_bundle: Bundle, tmp_path: Path
) -> None:
    site, packages = tmp_path / "site", Path(np.__file__).parents[1]
    site.mkdir()
    for name in ("numpy", "numpy.libs"):
        (site / name).symlink_to(packages / name)
    _check_bits([sys.executable, "-I", "-S"], [unpacked, site], tmp_path, [host_bundle, shared_bundle, host_bundle])


def test_so_they_do_on_an_emulated_board(
    unpacked: Path, board_bundle: Bundle, board_aot_bundle: Bundle, tmp_path: Path
) -> None:
    try:
        python = find_board()
    except TargetError as error:
        pytest.skip(str(error))
    _check_bits([str(python)], [unpacked], tmp_path, [board_bundle, board_aot_bundle])


@pytest.fixture(params=["host_bundle", "shared_bundle"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    found: Bundle = request.getfixturevalue(request.param)
    return found


X = np.zeros((1, 3, 17, 15), np.float32)


def test_it_says_what_it_takes_and_gives(bundle: Bundle) -> None:
    with Network(bundle.folder) as network:
        (x,), (y,) = network.inputs, network.outputs
        assert (x.name, x.shape, x.dtype, x.bytes) == ("x", (1, 3, 17, 15), "float32", 4 * 3 * 17 * 15)
        assert (y.name, y.shape, y.dtype) == ("y", (1, 5), "float32")
        assert network.labels == ()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((), r"0 inputs given; the network takes 'x' \(float32 \(1, 3, 17, 15\)\)"),
        ((X, X), "2 inputs given"),
        ((X.tolist(),), "is to be a numpy array, not list"),
        ((X[0],), r"was given float32 \(3, 17, 15\)"),
        ((X.astype(np.float64),), "was given float64"),
        ((X.astype(">f4"),), "was given >f4"),
        ((X + np.nan,), "holds NaN or infinity, .* allow_nonfinite=True runs"),
    ],
    ids=range(7),
)
def test_what_the_network_does_not_take_is_named(host_bundle: Bundle, inputs: tuple, said: str) -> None:
    with Network(host_bundle.folder) as network, pytest.raises(InputError, match=said):
        network(*inputs)


def test_any_order_in_memory_is_the_same_array_and_inputs_stay_as_they_are(bundle: Bundle) -> None:
    x = np.random.default_rng(3).standard_normal(X.shape).astype(np.float32)
    before = x.copy()
    with Network(bundle.folder) as network:
        expected = network(x)
        assert np.array_equal(network(np.asfortranarray(x)), expected)
        assert np.array_equal(network(np.repeat(x, 2, axis=3)[:, :, :, ::2]), expected)
        x.flags.writeable = False
        assert np.array_equal(network(x), expected)
        assert network(X + np.inf, allow_nonfinite=True).shape == (1, 5)
    assert np.array_equal(x, before)


def test_a_closed_network_is_called_no_more(bundle: Bundle) -> None:
    network = Network(bundle.folder)
    network.close()
    network.close()
    with pytest.raises(NetworkError, match="was closed"):
        network(X)


def test_several_inputs_and_outputs_come_in_order(two_by_two_onnx: Path, tmp_path: Path) -> None:
    built = compile(two_by_two_onnx, out=tmp_path / "two.rdp", runtime="none", shared=True)
    given = [np.load(built.folder / name) for name in built.manifest.golden["inputs"]]
    expected = execute(built.folder, built.manifest, (), given)
    with Network(built.folder) as network:
        outputs = network(*given)
    assert isinstance(outputs, tuple)
    assert all(np.array_equal(a, b) for a, b in zip(outputs, expected, strict=True))


def test_another_network_in_the_place_of_a_closed_one_gives_its_own_numbers(
    host_bundle: Bundle, image_bundle: Bundle, shared_bundle: Bundle, tmp_path: Path
) -> None:
    """Descriptors' numbers come again, and the loader knows what it loaded by path."""
    place = tmp_path / "net.rdp"
    for bundle in (host_bundle, image_bundle, shared_bundle, host_bundle):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(bundle.folder, place)
        given = np.load(place / "golden/input_0.npy")
        with Network(place) as network:
            assert np.allclose(network(given), np.load(place / "golden/output_0.npy"), atol=1e-5)


def test_several_networks_live_at_once(host_bundle: Bundle, shared_bundle: Bundle, image_bundle: Bundle) -> None:
    x = np.load(host_bundle.folder / "golden/input_0.npy")
    with (
        Network(host_bundle.folder) as a,
        Network(shared_bundle.folder, threads=2) as b,
        Network(image_bundle.folder) as c,
    ):
        for _ in range(2):
            assert np.array_equal(a(x), b(x))
            assert abs(float(c(np.load(image_bundle.folder / "golden/input_0.npy")).sum()) - 1) < 1e-5


def _appended(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")


def _linked(folder: Path) -> None:
    shutil.copy(folder / "run", folder.parent / "run")
    (folder / "run").unlink()
    (folder / "run").symlink_to("../run")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    **{name: (lambda folder, name=name: _appended(folder, name), f"{name} has changed since it was built")
       for name in ("model.so", "librdpass_network.so", "lib/libtvm_ffi.so", "run", "golden/input_0.npy")},
    "manifest": (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json is damaged"),
    "empty": (lambda folder: (folder / "manifest.json").write_text(""), "manifest.json is damaged"),
    "deep": (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "manifest.json is damaged"),
    "notes": (lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text().replace('"notes": []', '"notes": ["x"]')), "manifest.json has changed"),
    "missing": (lambda folder: (folder / "golden/output_0.npy").unlink(), "golden/output_0.npy is missing"),
    "more": (lambda folder: (folder / "more").touch(), "more is not part of the bundle"),
    "folder": (lambda folder: (folder / "golden/deep").mkdir(), "golden/deep is not part of the bundle"),
    "link": (_linked, "run is a link, a folder, a pipe"),
    "pipe": (lambda folder: ((folder / "run").unlink(), os.mkfifo(folder / "run")), "run is a link, a folder, a pipe"),
    "none": (lambda folder: (folder / "manifest.json").unlink(), "is not a bundle: manifest.json can't be read"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bundle_that_is_not_as_it_was_built_is_refused(spoiled: Callable[[], Path], damage: str) -> None:
    folder = spoiled()
    change, said = DAMAGE[damage]
    change(folder)
    with pytest.raises(IntegrityError, match=re.escape(said)):
        Network(folder)
    assert str(folder / "model.so") not in Path("/proc/self/maps").read_text()


def test_a_manifest_that_somebody_wrote_anew_does_not_get_another_network_in(spoiled: Callable[[], Path]) -> None:
    """The library has the digest of what it was built for."""
    folder = spoiled()
    manifest = open_sealed(folder)
    _appended(folder, "model.so")
    seal(folder, manifest)
    with pytest.raises(IntegrityError, match=r"model\.so has changed since it was built"):
        Network(folder)


def test_what_is_put_in_a_file_s_place_after_the_hash_is_not_loaded(spoiled: Callable[[], Path]) -> None:
    folder = spoiled()
    files = rdpass_runtime.bundle.BundleFiles(folder)
    (folder / "other").write_text("not hashed")
    (folder / "other").rename(folder / "librdpass_network.so")
    assert Path(files.path("librdpass_network.so")).read_bytes()[:4] == b"\x7fELF"
    files.close()


def test_names_in_a_manifest_lead_nowhere_else(spoiled: Callable[[], Path]) -> None:
    folder = spoiled()
    for name in ("../x", "/etc/passwd", "a/../b", ".hidden", "a\nb"):
        text = json.dumps({**json.loads((folder / "manifest.json").read_text()), "files": {name: "0" * 64}})
        (folder / "manifest.json").write_text(text)
        with pytest.raises(IntegrityError, match="'files' is not what a manifest says there"):
            Network(folder)


def test_a_bundle_for_another_kind_of_cpu_is_refused_before_anything_is_loaded(board_bundle: Bundle) -> None:
    with pytest.raises(IntegrityError, match="is for another CPU: aarch64, and this is"):
        Network(board_bundle.folder)


def test_without_a_shared_library_it_says_how_to_get_one(aot_bundle: Bundle, spoiled: Callable[[], Path]) -> None:
    with pytest.raises(NetworkError, match="compile with --runtime none --shared it again"):
        Network(aot_bundle.folder)
    folder = spoiled()
    manifest = open_sealed(folder)
    (folder / "librdpass_network.so").unlink()
    seal(folder, manifest)
    with pytest.raises(NetworkError, match=r"has no librdpass_network\.so, which Python loads; compile it again"):
        Network(folder)


def test_threads_are_numbers_and_tvm_has_one_number_of_them(host_bundle: Bundle) -> None:
    with pytest.raises(InputError, match="threads are 1 or more, not 0"):
        Network(host_bundle.folder, threads=0)
    code = (
        "import sys; from rdpass_runtime import *; folder = sys.argv[1]; a = Network(folder, threads=2)\n"
        "Network(folder, threads=2)\ntry: Network(folder, threads=1)\nexcept InputError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime"), "TVM_THREAD_POOL_SPIN_COUNT": "0"}
    command = [sys.executable, "-c", code, host_bundle.folder]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said == "TVM has 2 threads in this process already\n"


@pytest.mark.parametrize(("size", "mode"), [((40, 24), "RGB"), ((7, 90), "L"), ((15, 17), "RGB"), ((1, 1), "L")])
def test_an_image_of_any_size_is_classified_as_by_the_program(
    image_bundle: Bundle, tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    file = tmp_path / ("x.ppm" if mode == "RGB" else "x.pgm")
    image.save(file)
    with Network(image_bundle.folder) as network:
        assert np.array_equal(network.prepare(np.asarray(image))[0], read_image(file, 3, (17, 15)))
        found = network.classify(np.asarray(image))
        assert network.classify(np.asarray(image), top=2) == found[:2]
    printed = run_for_text(image_bundle.folder, (), [str(file)])
    said = "".join(f"{each.score:.4f}  {each.label}\n" for each in found)
    assert said.replace("\x1b", "?") == printed
    assert [image_bundle.manifest.processing.labels[each.index] for each in found] == [each.label for each in found]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.float32), np.zeros((1, 4, 4, 3), np.uint8), "x.jpg"]
)
def test_what_is_no_image_is_named(image_bundle: Bundle, image: object) -> None:
    with Network(image_bundle.folder) as network:
        with pytest.raises(InputError, match="an image is an array of uint8"):
            network.classify(image)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="an image has a pixel or more"):
            network.classify(np.zeros((0, 4, 3), np.uint8))


def test_a_network_without_preprocessing_takes_no_image(bundle: Bundle) -> None:
    with Network(bundle.folder) as network, pytest.raises(InputError, match="compile it with --preprocess"):
        network.classify(np.zeros((4, 4, 3), np.uint8))


def test_every_error_is_of_one_kind() -> None:
    assert all(issubclass(kind, RuntimeFailure) for kind in (InputError, IntegrityError, NetworkError))
    assert issubclass(InputError, ValueError)
