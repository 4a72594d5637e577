"""Tests of the reading into torch."""
