"""What holds for the whole suite: where examples come from, and in which order files run."""

import os

from hypothesis import HealthCheck, settings

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
