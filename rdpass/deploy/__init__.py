"""From a checked ONNX file to a folder that runs on a board."""
