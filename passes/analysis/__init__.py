"""What a graph holds and costs, read without changing it."""
