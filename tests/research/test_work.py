"""Grids are gone on with: what is recorded is not made again, whatever was torn, interrupted or shared."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.research import command
from benchmarks.research.arms.bench import Machine
from benchmarks.research.claims import claim
from benchmarks.research.grids.depth import KD, MIGRATE, PLAIN
from benchmarks.research.grids.grid import Cell, Run
from benchmarks.research.networks import Net
from benchmarks.research.runs import parallel, time_limit, work
from benchmarks.research.runs.estimates import estimate, passes
from benchmarks.research.runs.listing import planned
from benchmarks.research.runs.records import add_record, read_records
from benchmarks.research.runs.work import Work, missing
from rdpass.core.errors import ConfigError
from tests.research.conftest import TINY

NET = Net("basic", 8, 4)


def run_of(arm, seed=0, grid="depth"):
    return Run(grid, "tiny", Cell(NET, TINY.protocol_for(NET), arm), seed, amp=False)


def command_line(tmp_path, *arms):
    folders = ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "depth.jsonl")]
    chosen = ["--arms", *arms] if arms else []
    return [
        "--grid",
        "depth",
        "--size",
        "quick",
        "--seeds",
        "0",
        "--nets",
        "basic",
        "--device",
        "cpu",
        *folders,
        *chosen,
    ]


def test_a_recorded_run_is_not_made_again(tmp_path, machine):
    runs, results = [run_of(KD), run_of(PLAIN)], tmp_path / "depth.jsonl"
    made = [record["arm"] for record in Work(runs, results, machine)]
    assert made == [KD.name, PLAIN.name]
    before = results.read_bytes()
    assert list(Work(runs, results, machine)) == []
    assert results.read_bytes() == before


def test_a_torn_line_is_made_again_and_the_file_stays_readable(tmp_path, machine):
    runs, results = [run_of(KD), run_of(PLAIN)], tmp_path / "depth.jsonl"
    list(Work(runs, results, machine))
    whole = results.read_text()
    results.write_text(whole[: whole.rindex("{") + 40])
    assert [run.identity for run in missing(runs, results)] == [runs[1].identity]
    assert len(list(Work(runs, results, machine))) == 1
    assert [record["id"] for record in read_records(results)] == [run.identity for run in runs]


def test_another_grids_line_serves_under_its_own_names(tmp_path, machine):
    list(Work([run_of(KD)], tmp_path / "depth.jsonl", machine))
    (record,) = Work([run_of(KD, grid="small")], tmp_path / "small.jsonl", machine)
    known = read_records(tmp_path / "depth.jsonl")[0]
    assert record == {**known, "grid": "small"}


def test_another_grids_line_of_another_processor_does_not_serve(tmp_path, machine):
    list(Work([run_of(KD)], tmp_path / "depth.jsonl", machine))
    (known,) = read_records(tmp_path / "depth.jsonl")
    (tmp_path / "depth.jsonl").write_text(json.dumps({**known, "processor": "another", "accuracy": 0.0}) + "\n")
    (record,) = Work([run_of(KD, grid="small")], tmp_path / "small.jsonl", machine)
    assert (record["processor"], record["accuracy"]) == (known["processor"], known["accuracy"])


def test_a_teacher_serves_all_its_students(tmp_path, monkeypatch):
    trained = []
    machine = Machine("cpu", False, tmp_path / "work")
    from benchmarks.research.runs import making

    train = making.train_teacher
    monkeypatch.setattr(making, "train_teacher", lambda *told: trained.append(told[2]) or train(*told))
    list(Work([run_of(KD), run_of(PLAIN), run_of(PLAIN, seed=1)], tmp_path / "depth.jsonl", machine))
    assert trained == [0, 1]


def test_an_arm_that_fails_leaves_the_others_alone(tmp_path, machine, capsys):
    class Broken:
        name, recipe, settings = "broken", "broken", {}

        def run(self, bench):
            raise ConfigError("no such package")

    runs = [run_of(Broken()), run_of(KD)]
    grid = Work(runs, tmp_path / "depth.jsonl", machine)
    assert [record["arm"] for record in grid] == [KD.name]
    assert grid.failed[runs[0].identity].exit_code == 2
    assert "broken: no such package" in capsys.readouterr().err


def test_what_another_process_holds_is_left_to_it(tmp_path, machine, monkeypatch):
    monkeypatch.setattr(work, "WAIT", 0.05)
    results, run = tmp_path / "depth.jsonl", run_of(KD)
    made = []

    def go_on():
        made.extend(Work([run], results, machine))

    with claim(machine.folder / "claims", f"{run.grid}-{run.identity}") as ours:
        assert ours
        thread = threading.Thread(target=go_on)
        thread.start()
        time.sleep(0.3)
        assert made == []
        add_record(results, {"id": run.identity, "grid": "depth"})
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert made == []


def test_an_interrupted_student_goes_on_where_it_was(tmp_path, monkeypatch):
    """The same bits as one that was never interrupted."""
    straight, broken = (Machine("cpu", False, tmp_path / name) for name in ("straight", "broken"))
    run = run_of(MIGRATE)
    (whole,) = Work([run], straight.folder / "depth.jsonl", straight)
    from benchmarks.research.images.batches import Batches

    augmented, seen = Batches._augmented, []

    def interrupting(self, images):
        seen.append(1)
        if len(seen) == 4:  # two batches are the teacher's, two the student's
            os.kill(os.getpid(), signal.SIGINT)
        return augmented(self, images)

    monkeypatch.setattr(Batches, "_augmented", interrupting)
    with pytest.raises(KeyboardInterrupt):
        list(Work([run], broken.folder / "depth.jsonl", broken))
    assert (broken.folder / "students" / f"{run.identity}.partial" / "checkpoint.pt").exists()
    monkeypatch.setattr(Batches, "_augmented", augmented)
    (resumed,) = Work([run], broken.folder / "depth.jsonl", broken)
    same = ("accuracy", "validation", "loss", "macs")
    assert [resumed[key] for key in same] == [whole[key] for key in same]
    assert (whole["whole"], resumed["whole"]) == (True, False)


def test_the_command_runs_lists_and_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(command.SIZES, "quick", TINY)
    told = command_line(tmp_path)
    assert command.main([*told, "--arms", "kd, cold", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["arm"], record["device"]) == ("kd, cold", "cpu")
    assert command.main([*told, "--arms", "kd, cold", "labels only, cold", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "labels only, cold" in listed
    assert "kd, cold" not in listed
    assert command.main([*told, "--epochs", "1", "--list"]) == 0
    assert command.main([*told, "--epochs", "2", "--list"]) == 2
    assert "--epochs" in capsys.readouterr().err
    assert command.main([*told, "--arms", "kd, cold", "no such arm"]) == 2
    assert "no arm no such arm; --list" in capsys.readouterr().err
    if not __import__("torch").cuda.is_available():
        assert command.main([*told, "--arms", "kd, cold", "--device", "cuda"]) == 2


def test_images_that_are_not_installed_are_named_with_the_remedy(tmp_path, monkeypatch, capsys):
    from benchmarks.research.images import fashion

    monkeypatch.setattr(fashion, "FULL_SET", tmp_path / "nowhere")
    told = [*command_line(tmp_path, "kd, cold"), "--seeds", "9"]
    assert command.main(told) == 2
    assert "apt-get install dataset-fashion-mnist" in capsys.readouterr().err


def test_a_time_limit_ends_a_run_and_the_next_call_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(work, "WAIT", 0.05)
    monkeypatch.setattr(time_limit, "AGAIN", 0.2)
    monkeypatch.setitem(command.SIZES, "quick", TINY)
    told = command_line(tmp_path, "kd, cold")
    assert command.main([*told, "--seconds", "0.01"]) == 0
    assert "the time is over" in capsys.readouterr().err
    assert read_records(tmp_path / "depth.jsonl") == []
    assert command.main(told) == 0
    assert len(read_records(tmp_path / "depth.jsonl")) == 1


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
def interrupts(request):
    """How the process takes interrupts; a job that a script put into the background ignores them."""
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


def test_a_time_limit_interrupts_and_leaves_interrupts_as_they_were(interrupts):
    with contextlib.suppress(KeyboardInterrupt), time_limit.TimeLimit(0.01) as limit:
        time.sleep(30)
        pytest.fail("nothing was interrupted")
    assert limit.reached
    assert signal.getsignal(signal.SIGINT) == interrupts


def test_an_interrupt_that_is_lost_on_the_way_comes_again(interrupts, monkeypatch):
    monkeypatch.setattr(time_limit, "AGAIN", 0.05)
    with contextlib.suppress(KeyboardInterrupt), time_limit.TimeLimit(0.01):
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)
        time.sleep(30)
        pytest.fail("the second interrupt did not come")


@pytest.mark.slow
def test_jobs_share_a_grid_between_them(tmp_path, miniature):
    """Two processes of the real command on the data of the test: every run once."""
    patched = (
        "import sys; from pathlib import Path; from benchmarks.fashion_mnist import data;"
        "from benchmarks.research import command; from benchmarks.research.grids import depth;"
        "from benchmarks.research.images import fashion; from tests.research.conftest import TINY;"
        f"data.FULL_SET = fashion.FULL_SET = Path({str(miniature)!r}); data.VALIDATION = 60;"
        "depth.DEPTHS.update(basic=(8,) * 4, bottleneck=(11,) * 4); command.SIZES['quick'] = TINY;"
        "sys.exit(command.main(sys.argv[1:]))"
    )
    told = [*command_line(tmp_path, "kd, cold", "labels only, cold"), "--seeds", "0", "1"]
    processes = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", patched, *told]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    records = read_records(tmp_path / "depth.jsonl")
    assert len(records) == len({record["id"] for record in records}) == 4


def test_several_jobs_are_the_command_several_times(tmp_path, monkeypatch):
    script = tmp_path / "program.py"
    script.write_text(
        "import os, sys; from pathlib import Path\n"
        f"Path({str(tmp_path)!r}, str(os.getpid())).write_text(' '.join(sys.argv[1:]))\n"
        "sys.exit(2)\n"
    )
    monkeypatch.setattr(parallel, "PROGRAM", script)
    assert parallel.run_jobs(["--grid", "depth", "--jobs", "3"], 3) == 2
    told = [path.read_text() for path in tmp_path.iterdir() if path.name.isdigit()]
    assert told == ["--grid depth --jobs 3 --jobs 1"] * 3


def test_estimates_come_from_what_was_measured(tmp_path):
    run = run_of(MIGRATE)
    assumed = estimate(run, "cpu", [])
    assert not assumed.measured
    record = {
        "device": "cpu", "steps": 100, "recipe": "plain", "settings": {}, "batch": 32, "depth": 8, "seconds": 10.0,
        "teacher_macs": 1e6,
    }  # fmt: skip
    measured = estimate(run, "cpu", [record, {**record, "device": "another", "seconds": 1.0}])
    assert measured.measured
    twice = estimate(run, "cpu", [{**record, "seconds": 20.0}])
    assert twice.seconds == pytest.approx(2 * measured.seconds)
    resumed = {**record, "seconds": 1.0, "whole": False}
    assert estimate(run, "cpu", [record, resumed, resumed]).seconds == pytest.approx(measured.seconds)
    assert passes("migrate", {"paths": {"mixed": True}}) > passes("kd", {}) > passes("plain", {})


def test_a_plan_counts_a_teacher_once_and_marks_what_comes_too_late(tmp_path):
    machine = Machine("cpu", False, tmp_path)
    lines = list(planned([run_of(KD), run_of(PLAIN)], [], machine, jobs=1, window=0.0))
    assert ["teacher" in line for line in lines[1:3]] == [True, False]
    assert all("beyond --seconds" in line for line in lines[1:3])
    assert "assumption" in lines[-1]


def test_training_alone_needs_neither_onnx_nor_tvm():
    """A machine with a GPU may have torch and little else."""
    told = "import sys, benchmarks.research.command; print([m for m in sys.argv[1:] if m in sys.modules])"
    wanted = ["onnx", "onnxsim", "onnxruntime", "tvm", "matplotlib", "sklearn", "torch_pruning"]
    done = subprocess.run([sys.executable, "-c", told, *wanted], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
