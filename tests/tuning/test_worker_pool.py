"""Workers crash, hang and are given nonsense, and the pool goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rdpass.targets.lookup import host_target
from rdpass.targets.toolchain import find_compiler
from rdpass.tuning.job import Job, Trouble, Variant
from rdpass.tuning.worker_pool import WorkerPool


def _library(folder: Path, name: str, body: str) -> str:
    """A shared library that does something when it is loaded."""
    source, path = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(f"#include <unistd.h>\n__attribute__((constructor)) static void start(void) {{ {body} }}\n")
    compiler = find_compiler(host_target()).command
    subprocess.run([compiler, "-x", "c", "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
    return str(path)


def _job(library: str, timeout: float = 120.0) -> Job:
    return Job(Variant(library, ()), Variant(library, ()), 1, 1, 0, None, timeout)


def test_a_crash_a_hang_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    jobs = {
        "crash": _job(_library(tmp_path, "crash", "*(volatile int*)0 = 1;")),
        "hang": _job(_library(tmp_path, "hang", "for (;;) sleep(1);"), 6.0),
        "exit": _job(_library(tmp_path, "exit", "_exit(3);")),
        "missing": _job(str(tmp_path / "none.so")),
    }
    waiting = list(jobs.items())
    with WorkerPool[str](2, lambda: None) as pool:
        answers = dict(pool.run(lambda: waiting.pop() if waiting else None))
    assert answers.keys() == jobs.keys()
    assert answers["crash"] == Trouble("the process that ran it crashed (SIGSEGV)", crashed=True)
    assert answers["hang"] == Trouble("no answer after 6 s")
    assert answers["exit"] == Trouble("the process that ran it ended with exit code 3")
    assert isinstance(answers["missing"], Trouble)
    assert not answers["missing"].crashed
    assert "none.so" in answers["missing"].reason


def test_what_ends_the_waiting_ends_the_workers_too(tmp_path: Path) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    waiting = [_job(_library(tmp_path, "hang", "for (;;) sleep(1);"))]
    pool = WorkerPool[str](1, check)
    with pytest.raises(KeyboardInterrupt), pool:
        list(pool.run(lambda: ("hang", waiting.pop()) if waiting else None))
    assert pool._workers[0]._process is None


@pytest.mark.parametrize("inherited", ["", ":", "/none::"])
def test_what_lies_in_the_current_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inherited: str
) -> None:
    """A planted numpy.py, say in a folder of downloads, ran in every worker."""
    for name in ("numpy", "json", "tvm", "rdpass"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'planted code ran')!r}, 'w')")
    library = _library(tmp_path, "exit", "_exit(3);")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", inherited)
    waiting = [("exit", _job(library))]
    with WorkerPool[str](1, lambda: None) as pool:
        answers = dict(pool.run(lambda: waiting.pop() if waiting else None))
    assert answers["exit"] == Trouble("the process that ran it ended with exit code 3")
    assert not (tmp_path / "planted code ran").exists()
