"""One ONNX front: a file of any exporter becomes a model of one form, which the readers into torch and TVM take."""
