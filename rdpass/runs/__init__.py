"""A conversion as data: its settings, its result, and the folder it is saved in."""
