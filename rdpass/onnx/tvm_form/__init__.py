"""A normalised ONNX model in the operators that TVM's importer takes and computes rightly."""
