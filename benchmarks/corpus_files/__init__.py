"""A corpus of small ONNX files: networks as exporters write them, operators by opset, graphs of odd ends."""
