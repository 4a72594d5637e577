"""The tables and plots of docs/evidence.md from recorded runs."""
