"""Loaders that interrupt a training."""

from tests.training.support import Shuffled


class Stops(Shuffled):
    """Raises what it is told to before its ``at``-th batch of all."""

    def __init__(self, at, error=KeyboardInterrupt):
        super().__init__()
        self.left, self.error = at, error

    def __iter__(self):
        for batch in super().__iter__():
            if not self.left:
                raise self.error
            self.left -= 1
            yield batch


class Interrupting:
    def __init__(self, loader, at):
        self.loader, self.left, self.generator = loader, at, loader.generator

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield batch
