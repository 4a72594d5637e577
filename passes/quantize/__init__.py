"""Quantisation of an ONNX network: ranges of activations, QDQ nodes, weights, and how sensitive each layer is."""
