"""Write ``subset.npz`` from the full set: ``python -m benchmarks.fashion_mnist.subset``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.fashion_mnist.data import SUBSET, full_set

TRAIN, HELD_OUT, SEED = 10_000, 2_000, 0


def main() -> None:
    generator = np.random.default_rng(SEED)
    arrays: dict[str, NDArray[np.uint8]] = {}
    for name, part, count in (("train", "train", TRAIN), ("held_out", "test", HELD_OUT)):
        images, labels = full_set(part)
        rows = np.sort(generator.choice(len(images), count, replace=False))
        arrays |= {f"{name}_images": images[rows], f"{name}_labels": labels[rows]}
    np.savez_compressed(SUBSET, **arrays)  # type: ignore[arg-type]
    print(f"{SUBSET.name}: {SUBSET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
