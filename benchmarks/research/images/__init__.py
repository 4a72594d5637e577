"""The image sets that networks are trained and measured on."""
