"""From a model to a checked, canonical torch.fx graph; the model itself is never changed."""
