"""The plots of docs/evidence.md, one a file."""
