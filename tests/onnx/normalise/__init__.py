"""Tests of the ONNX front."""
