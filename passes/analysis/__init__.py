"""Analyses of a graph: shortcuts, memory and cost, read without changing it."""
