"""The bundle's own program: every bad file is refused in one line, and nothing is half-written."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run as rdpass
from rdpass.deploy.bundle.assembly import compile_runner
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.runner_program import RUNTIME
from rdpass.targets.cpu_words import USED_UNASKED, WORDS
from rdpass.targets.lookup import PRESETS, find_target
from rdpass.targets.toolchain import find_compiler, find_launcher


@pytest.fixture(scope="module")
def two_bundle(two_by_two_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compile(two_by_two_onnx, "host", tmp_path_factory.mktemp("two") / "two.rdp")


@pytest.fixture(scope="module")
def newer_bundle(two_by_two_onnx: Path, board: str, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """For a core with features that the oldest do without."""
    return compile(two_by_two_onnx, "rpi5", tmp_path_factory.mktemp("newer") / "two.rdp")


def _run(bundle: Bundle, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(bundle.folder / "run"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _given(bundle: Bundle) -> np.ndarray:
    golden: np.ndarray = np.load(bundle.folder / "golden/input_0.npy")
    return golden


def _call(bundle: Bundle, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(bundle.folder / "run"), *arguments], capture_output=True, text=True, check=False)


def test_it_writes_what_numpy_reads_and_says_nothing(host_bundle: Bundle, tmp_path: Path) -> None:
    done = _run(host_bundle, host_bundle.folder / "golden/input_0.npy", tmp_path / "y.npy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expected = host_bundle.folder / "golden/output_0.npy"
    assert np.allclose(np.load(tmp_path / "y.npy"), np.load(expected), rtol=1e-5)
    assert len((tmp_path / "y.npy").read_bytes()) == len(expected.read_bytes())
    assert [p.name for p in tmp_path.iterdir()] == ["y.npy"]


@pytest.mark.parametrize("kind", ["host_bundle", "aot_bundle"])
def test_neither_kind_of_bundle_writes_over_anything_unasked(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    golden, y = bundle.folder / "golden/input_0.npy", tmp_path / "y.npy"
    (tmp_path / "y.npy.part").write_text("mine")
    y.write_text("mine")
    done = _run(bundle, golden, y)
    assert (done.returncode, y.read_text()) == (2, "mine")
    assert "exists already" in done.stderr
    assert _call(bundle, "--force", str(golden), str(y)).returncode == 0
    assert np.load(y).shape == (1, 5)
    assert (tmp_path / "y.npy.part").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.npy", "y.npy.part"]


def test_it_finds_its_bundle_from_any_folder(host_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host_bundle.folder / "run")
    command = [tmp_path / "link", host_bundle.folder / "golden/input_0.npy", "y.npy"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0


def _bad_files(x: np.ndarray) -> dict[str, tuple[bytes, str]]:
    good = _npy(x)
    return {
        "no magic": (b"hello", "not an .npy file"),
        "empty": (b"", "not an .npy file"),
        "unknown version": (good[:6] + b"\x09" + good[7:], "unknown .npy format 9"),
        "huge header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "damaged .npy header"),
        "cut within the header": (good[:40], "cut off within its header"),
        "cut within the data": (good[:-1], "holds too little data"),
        "data left over": (good + b"\0", "holds more data"),
        "another type": (_npy(x.astype(np.float64)), "'<f8'"),
        "big-endian": (_npy(x.astype(">f4")), "'>f4'"),
        "another shape": (_npy(x[:, :2]), "(1, 2, 17, 15)"),
        "a shape of more axes": (_npy(x[None]), "(1, 1, 3, 17, 15)"),
        "Fortran order": (_npy(np.asfortranarray(x)), "'fortran_order': True"),
        "a record": (_npy(np.zeros(3, [("a", "<f4")])), "[('a', '<f4')]"),
        "control letters": (good[:10] + b"\x1b[2J" + good[14:], "holds ?[2J"),
    }


@pytest.mark.parametrize("fault", list(_bad_files(np.zeros((1, 3, 17, 15), np.float32))))
def test_a_bad_input_is_refused_in_one_line(host_bundle: Bundle, tmp_path: Path, fault: str) -> None:
    content, reason = _bad_files(_given(host_bundle))[fault]
    (tmp_path / "x.npy").write_bytes(content)
    done = _run(host_bundle, tmp_path / "x.npy", tmp_path / "y.npy")
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "y.npy").exists()


def test_a_missing_input_or_place_is_named(host_bundle: Bundle, tmp_path: Path) -> None:
    golden = host_bundle.folder / "golden/input_0.npy"
    for files, reason in (
        ((tmp_path / "none.npy", tmp_path / "y.npy"), "none.npy: can't be read"),
        ((tmp_path, tmp_path / "y.npy"), "not an .npy file"),
        ((golden, tmp_path / "none" / "y.npy"), "y.npy: can't be written"),
    ):
        done = _run(host_bundle, *files)
        assert done.returncode == 2
        assert reason in done.stderr


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_files_is_answered_with_the_usage(host_bundle: Bundle, tmp_path: Path, count: int) -> None:
    done = _run(host_bundle, *(tmp_path / f"{index}.npy" for index in range(count)))
    assert done.returncode == 2
    assert "1 inputs and 1 outputs" in done.stderr


def test_verify_says_how_far_each_output_is_from_the_golden_one(two_bundle: Bundle) -> None:
    done = _call(two_bundle, "--verify")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.fullmatch(r"(\w+): max relative error (\S+) \(tolerance 1e-04\)", s) for s in done.stdout.splitlines()]
    assert [line[1] for line in lines if line] == ["total", "positive"]
    assert all(float(line[2]) <= 1e-5 for line in lines if line)


@pytest.mark.parametrize(("spoil", "shown"), [(lambda y: y + 0.1, "max relative error"), (lambda y: y * np.nan, "inf")])
def test_verify_ends_with_exit_code_4_when_the_output_is_another(
    host_bundle: Bundle, spoiled: Callable[[], Path], spoil: Callable[[np.ndarray], np.ndarray], shown: str
) -> None:
    """Of a runner that was built with other golden numbers, as if the network gave others."""
    folder = spoiled()
    golden = folder / "golden/output_0.npy"
    np.save(golden, spoil(np.load(golden)))
    (folder / "run").unlink()
    compile_runner(folder, host_bundle.manifest, find_compiler(find_target("host")), cache=True)
    done = subprocess.run([folder / "run", "--verify"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (4, "run: the output is not the golden one\n")
    assert shown in done.stdout


def test_verify_names_a_golden_file_that_is_gone(spoiled: Callable[[], Path]) -> None:
    folder = spoiled()
    (folder / "golden/output_0.npy").unlink()
    done = subprocess.run([folder / "run", "--verify"], capture_output=True, text=True, check=False)
    assert done.returncode == 8
    assert "golden/output_0.npy is missing" in done.stderr


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_bench_prints_times_and_memory_as_json(host_bundle: Bundle, threads: int | None) -> None:
    done = _call(host_bundle, "--bench", "30", *(["--threads", str(threads)] if threads else []))
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert (figures["runs"], figures["warmup"], figures["threads"]) == (30, 3, threads)
    assert 0 < figures["min_ms"] <= figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert figures["min_ms"] <= figures["mean_ms"] <= figures["max_ms"]
    assert figures["load_ms"] > 0
    assert 1 << 20 < figures["peak_rss_bytes"] < 1 << 30
    assert figures["planned_activation_bytes"] == host_bundle.manifest.planned_activation_bytes


def test_profile_prints_inferences_without_and_with_timers_and_each_call_as_json(host_bundle: Bundle) -> None:
    done = _call(host_bundle, "--profile", "12", "--threads", "1")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert (figures["whole"]["runs"], figures["whole"]["warmup"], figures["whole"]["threads"]) == (12, 3, 1)
    spread = {"p50_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "mean_ms"}
    assert figures["timed"].keys() == spread
    assert all(call.keys() == {"function", "start_ms", *spread} for call in figures["calls"])
    plan = host_bundle.manifest.plan
    assert plan is not None
    assert [call["function"] for call in figures["calls"]] == [call.function for call in plan.calls]


def test_it_ends_without_waiting_for_threads_that_are_idle(host_bundle: Bundle) -> None:
    """They give their turn away so many times before they look up, which on a busy machine takes minutes."""
    idle_long = {"TVM_THREAD_POOL_SPIN_COUNT": str(2 * 10**9)}
    command = [host_bundle.folder / "run", "--bench", "3", "--threads", "2"]
    done = subprocess.run(command, env=idle_long, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["threads"] == 2


def test_info_says_what_the_network_takes_and_gives(two_bundle: Bundle) -> None:
    about = json.loads(_call(two_bundle, "--info").stdout)
    assert about["inputs"] == [
        {"name": "left", "dtype": "float32", "shape": [2, 4]},
        {"name": "right", "dtype": "float32", "shape": [6]},
    ]
    assert [output["name"] for output in about["outputs"]] == ["total", "positive"]
    assert about["features"] == two_bundle.manifest.target["features"]
    assert about["missing_features"] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--bench"], "--bench takes a number from 1"),
        (["--bench", "0"], "--bench takes a number from 1"),
        (["--bench", "-5"], "--bench takes a number from 1"),
        (["--bench", "10x"], "--bench takes a number from 1"),
        (["--bench", "99999999999999999999"], "--bench takes a number from 1"),
        (["--profile"], "--profile takes a number from 1 to 10000"),
        (["--profile", "10001"], "--profile takes a number from 1 to 10000"),
        (["--profile", "5", "--bench", "5"], "one thing at a time"),
        (["--threads", "0", "--verify"], "--threads takes a number from 1"),
        (["--verify", "--info"], "one thing at a time"),
        (["--verify", "x.npy"], "usage: run INPUT.npy"),
        (["--fast"], "there is no option --fast"),
    ],
)
def test_words_that_make_no_sense_are_answered_with_the_usage(
    host_bundle: Bundle, arguments: list[str], reason: str
) -> None:
    done = _call(host_bundle, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert "usage: run" in done.stderr


def test_help_is_no_error(host_bundle: Bundle) -> None:
    done = _call(host_bundle, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: run INPUT.npy")


def test_an_input_is_never_written_over(host_bundle: Bundle, tmp_path: Path) -> None:
    content = (host_bundle.folder / "golden/input_0.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content)
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    for place in ("x.npy", "link.npy"):
        done = _run(host_bundle, tmp_path / "x.npy", tmp_path / place)
        assert done.returncode == 2
        assert "is an input, and would be written over" in done.stderr
    assert (tmp_path / "x.npy").read_bytes() == content


def test_two_outputs_need_two_places(two_bundle: Bundle, tmp_path: Path) -> None:
    golden = [two_bundle.folder / name for name in two_bundle.manifest.golden["inputs"]]
    done = _run(two_bundle, *golden, tmp_path / "y.npy", tmp_path / "y.npy")
    assert done.returncode == 2
    assert "is given for two outputs" in done.stderr


def test_a_cpu_that_lacks_a_feature_is_refused_before_anything_is_loaded(newer_bundle: Bundle, tmp_path: Path) -> None:
    """A Cortex-A53 would die of an illegal instruction at the first dot product."""
    (newer_bundle.folder / "model.so").rename(tmp_path / "model.so")
    command, _, _, *options = find_launcher(find_target("rpi5"))
    try:
        for arguments in (["--verify"], ["--bench", "1"], ["x.npy", "x.npy", "y.npy", "z.npy"]):
            done = subprocess.run(
                [command, "-cpu", "cortex-a53", *options, newer_bundle.folder / "run", *arguments],
                cwd=newer_bundle.folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 8
            assert "built for rpi5, and this CPU has no asimddp, asimdhp" in done.stderr
    finally:
        (tmp_path / "model.so").rename(newer_bundle.folder / "model.so")


def test_rdpass_says_so_too_and_ends_with_the_same_exit_code(
    newer_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    launcher = find_launcher(find_target("rpi3"))
    monkeypatch.setattr("rdpass.deploy.bundle.verification.find_launcher", lambda target: launcher)
    assert rdpass(["verify", str(newer_bundle.folder)]) == 8
    assert "this CPU has no asimddp" in capfd.readouterr().err
    monkeypatch.undo()
    assert rdpass(["verify", str(newer_bundle.folder)]) == 0


def test_every_feature_that_a_target_may_name_can_be_checked_on_a_board() -> None:
    source = (RUNTIME / "cpu_features.cc").read_text()
    checked = set(re.findall(r'\{"(\w+)", AT_HWCAP2?, \d+\}', source))
    assert checked == WORDS
    assert {word for words in USED_UNASKED.values() for word in words} <= checked
    assert all(set(target.features) <= checked for target in PRESETS)


@pytest.mark.slow
def test_every_truncation_of_the_header_is_refused(host_bundle: Bundle, tmp_path: Path) -> None:
    good = _npy(_given(host_bundle))
    for size in range(130):
        (tmp_path / "x.npy").write_bytes(good[:size])
        assert _run(host_bundle, tmp_path / "x.npy", tmp_path / "y.npy").returncode == 2
