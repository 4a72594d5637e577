"""Experiments on what removing shortcuts costs in accuracy: grids as data, runs that can be stopped, a line each."""
