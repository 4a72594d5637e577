"""How good a network is on a user's images, whatever form it has."""
