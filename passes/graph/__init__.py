"""torch.fx graph to torch.fx graph, or to a finding. Only changers touch a graph, and they return a new one."""
