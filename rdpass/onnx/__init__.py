"""ONNX both ways: a module exported and simplified; a file read, to be built or as a torch module; the oracle."""
