"""Every benchmark runs as a file, from wherever its user is."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if 'if __name__ == "__main__":' in path.read_text())


def test_the_commands_of_the_documentation_are_among_them():
    assert {"accuracy.py", "arm_cost.py", "demo.py", "peers.py", "training_step.py", "zoo.py"} <= set(SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_tells_its_options(name, tmp_path):
    command = [sys.executable, str(FOLDER / name), "--help"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "--help" in told.stdout
