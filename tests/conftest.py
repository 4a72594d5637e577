"""What holds for the whole suite: where examples come from, and in which order files run."""

import os

from hypothesis import settings

# New examples on every machine but CI, where a change is not to fail by what it did not touch.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(config, items):
    """Where workers share the files, those with slow tests come first: a long one at the end would run alone."""
    if hasattr(config, "workerinput"):
        heavy = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in heavy)
