"""A board reached over ssh: what it says about itself, and whether it can run a bundle and measure it fairly."""
