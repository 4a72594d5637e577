"""Fashion-MNIST's files in miniature, and grids small enough to run every arm for a step or two."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fashion_mnist import data
from benchmarks.research.arms import transfer_arm
from benchmarks.research.arms.bench import Machine
from benchmarks.research.grids import depth, pareto, small
from benchmarks.research.images import fashion
from benchmarks.research.protocols import Protocol, Size

TINY = Size("tiny", 4, Protocol(64, 14, 0, 50, 32, teacher_epochs=1, epochs=1), shrunk=12)


def write_idx(path, array):
    """As the original's files are: two zero bytes, the code of bytes, the rank, sizes, values."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """100 images to train on, 60 to validate and 60 to test: bright bars whose place is the label."""
    folder = tmp_path_factory.mktemp("fashion-mnist")
    for stem, count in (("train", 160), ("t10k", 60)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.random.default_rng(count).integers(0, 60, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 6] = 250
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(autouse=True)
def tiny_world(miniature, monkeypatch):
    """The miniature in the place of the package, and nets of three blocks in the place of all depths."""
    monkeypatch.setattr(data, "FULL_SET", miniature)
    monkeypatch.setattr(fashion, "FULL_SET", miniature)
    monkeypatch.setattr(data, "VALIDATION", 60)
    for block, layers in (("basic", 8), ("bottleneck", 11)):
        monkeypatch.setitem(depth.DEPTHS, block, (layers,) * 4)
    monkeypatch.setattr(pareto, "INVERTED", 11)
    monkeypatch.setattr(transfer_arm, "EPOCHS", 1)
    monkeypatch.setattr(small, "DEPTHS", (8,))
    monkeypatch.setattr(small, "FEW", (32,))


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    """Teachers and students made in one test serve the next."""
    return Machine("cpu", False, Path(tmp_path_factory.mktemp("work")))
