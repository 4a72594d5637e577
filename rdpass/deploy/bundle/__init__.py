"""The folder that runs on a board: built, put together, described, verified, run and timed."""
