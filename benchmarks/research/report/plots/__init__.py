"""The plots of docs/evidence/, one a file."""
