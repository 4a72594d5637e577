"""A normalised ONNX model as a torch.fx graph of plain torch modules and functions: one file a family of operators."""
