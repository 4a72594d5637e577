"""An account of a network's time and memory, made from its lowered code: nothing is compiled, nothing runs."""
