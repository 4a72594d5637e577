"""What holds for the whole suite: where examples come from, in which order files run, where a saved run is read."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

from rdpass.core.tensors import arrays_of
from rdpass.runs import rehearsal
from rdpass.runs.folder import load_run

# The suite draws the same examples on every run: what fails was touched. New ones are ``benchmarks.random_search``'s to
# find; the seed that it prints is all that they depend on.
settings.register_profile("suite", derandomize=True, deadline=None, print_blob=True)
settings.register_profile(
    "search", deadline=None, print_blob=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_collection_modifyitems(config, items):
    """Where workers share the files, those with slow tests come first: a long one at the end would run alone."""
    if hasattr(config, "workerinput"):
        heavy = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in heavy)


@pytest.fixture(scope="session", autouse=True)
def runs_are_read_here():
    """A saved run is read by the process that the tests are in: a fresh one takes four seconds for every training.

    What a fresh process is for, ``tests/runs/test_rehearsal.py`` tests in fresh ones.
    """

    def read(folder):
        run = load_run(folder)
        with torch.no_grad():
            return arrays_of(run.student(*run.example))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "read_elsewhere", read)
        yield
