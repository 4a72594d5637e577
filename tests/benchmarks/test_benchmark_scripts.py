"""Every benchmark runs as a file, from wherever its user is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
COMMANDS = [*FOLDER.glob("*.py"), *FOLDER.glob("research/*.py")]
SCRIPTS = sorted(str(path.relative_to(FOLDER)) for path in COMMANDS if 'if __name__ == "__main__":' in path.read_text())


def test_the_commands_of_the_documentation_are_among_them():
    assert {"arm_cost.py", "demo.py", "peers.py", "training_step.py", "zoo.py"} <= set(SCRIPTS)
    assert {"research/__main__.py", "research/compare_recipes.py"} <= set(SCRIPTS)


TOLD = """
import contextlib, io, json, runpy, sys
path, loaded, told = list(sys.path), set(sys.modules), {}
for script in sys.argv[1:]:
    sys.argv, sys.path[:] = [script, "--help"], [script.rpartition("/")[0], *path[1:]]
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(script, run_name="__main__")
            code = None
        except SystemExit as stop:
            code = stop.code
    told[script] = [code, out.getvalue()]
print(json.dumps(told))
"""
"""Runs files one after the other as if each were the command: what they import is imported once."""


@pytest.mark.slow
def test_benchmarks_tell_their_options(tmp_path):
    scripts = [str(FOLDER / name) for name in SCRIPTS]
    done = subprocess.run(
        [sys.executable, "-c", TOLD, *scripts], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == scripts
    assert {name: code for name, (code, _) in told.items() if code != 0} == {}
    assert [name for name, (_, text) in told.items() if "--help" not in text] == []


@pytest.mark.slow
def test_a_folder_with_a_command_runs_by_its_name_from_the_root_and_by_its_path_from_elsewhere(tmp_path):
    for command, cwd in ((["-m", "benchmarks.research"], FOLDER.parent), ([str(FOLDER / "research")], tmp_path)):
        command = [sys.executable, *command, "--grid", "depth", "--size", "full", "--list"]
        told = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        assert "depth/full" in told.stdout
