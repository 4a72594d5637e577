"""The arms: ways to get a network that takes a residual one's place, and what they are made with."""
