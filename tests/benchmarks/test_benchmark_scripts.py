"""Every benchmark runs as a file, from wherever its user is."""

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


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_tells_its_options(name, tmp_path):
    command = [sys.executable, str(FOLDER / name), "--help"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "--help" in told.stdout


@pytest.mark.slow
def test_a_folder_with_a_command_runs_by_its_name_from_the_root_and_by_its_path_from_elsewhere(tmp_path):
    for command, cwd in ((["-m", "benchmarks.research"], FOLDER.parent), ([str(FOLDER / "research")], tmp_path)):
        command = [sys.executable, *command, "--grid", "depth", "--size", "full", "--list"]
        told = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        assert "depth/full" in told.stdout
