"""Tests of the form that TVM takes."""
