"""The pages of docs/evidence/ and their plots, from recorded runs."""
