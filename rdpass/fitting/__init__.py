"""Search for the network that keeps to a budget and loses least: costs first, then probes, then a few trainings."""
