"""The image files that a folder or a table names, each with its class, in two parts: to train with, and held out.

A folder is of one of two forms; a table is a CSV file.

1. ``train/`` and one of ``val/``, ``valid/``, ``validation/``, ``test/``, each with a folder for every class. Without
   any of the four, images of ``train/`` are held out as in 2.
2. A folder for every class. Of each class a share is held out: those images whose digests of name and seed are least.
   So another image changes nothing for most of those that were there, and a larger share holds out the same and more.
3. Columns ``path`` (from the table's own folder) and ``label``; ``split`` where there are parts (train, and val, …).

Classes are in the order of their names, as text: where a training elsewhere had another order, it has to be given.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import check_label_names
from rdpass.core.images import SUFFIXES, check_header

HELD_OUT_NAMES = ("val", "valid", "validation", "test")
TRAIN = "train"
MOST_CHECKED = 50_000
"""Images whose headers are read before any work; of larger sets these are the first."""
_PATHS, _LABELS, _SPLITS = ("path", "file", "filename", "image"), ("label", "class", "target"), ("split", "part", "set")
_SHOWN = 5

Labelled = tuple[Path, str]


@dataclass(frozen=True)
class ImageFiles:
    """Image files by part, each with the index of its class.

    ``held_out`` is None where no image is; ``parts`` says in words where the two come from.
    """

    classes: tuple[str, ...]
    train: tuple[tuple[Path, int], ...]
    held_out: tuple[tuple[Path, int], ...] | None
    parts: str


def find_images(place: Path, labels: Sequence[str] | None, share: float, seed: int) -> ImageFiles:
    """The images of a folder or a table.

    Args:
        place: a folder, or a ``.csv`` file.
        labels: names of the classes in the order of the network's outputs; None for those that are there, by name.
        share: of each class, held out where the place has no such part.
        seed: which images these are.

    Raises:
        ConfigError: there is nothing of the kind, an image is missing or unreadable, or a class is unknown; the message
            says what was looked for and what was found.
    """
    if place.suffix.lower() == ".csv" and place.is_file():
        train, others, part = _read_table(place)
    elif place.is_dir():
        train, others, part = _read_folder(place)
    else:
        raise ConfigError(f"{place}: there is no such folder, and no such .csv file")
    found = tuple(sorted({label for _, label in train}))
    known = tuple(labels) if labels is not None else found
    if len(known) < 2:
        raise ConfigError(f"{place} has images of one class alone, {known[0]!r}; a classifier needs two or more")
    check_label_names(known)
    _check_known(place, [*train, *others], known, labels is not None)
    parts = f"{part} of {place} is held out"
    if not others and share > 0:
        train, others = _split(train, share, seed)
        parts = f"{share:.0%} of each class is held out by seed {seed}"
    elif not others:
        parts = "none is held out"
    for path, _ in [*train, *others][:MOST_CHECKED]:
        check_header(path)
    index = {label: at for at, label in enumerate(known)}
    return ImageFiles(known, _indexed(train, index), _indexed(others, index) or None, parts)


def _indexed(images: Sequence[Labelled], index: Mapping[str, int]) -> tuple[tuple[Path, int], ...]:
    return tuple((path, index[label]) for path, label in images)


def _read_folder(place: Path) -> tuple[list[Labelled], list[Labelled], str]:
    """The images to train with, those of the other part, and its name."""
    if not (place / TRAIN).is_dir():
        return _of_classes(place, place), [], ""
    other = next((name for name in HELD_OUT_NAMES if (place / name).is_dir()), None)
    held_out = [] if other is None else _of_classes(place / other, place)
    return _of_classes(place / TRAIN, place), held_out, f"{other}/"


def _of_classes(folder: Path, place: Path) -> list[Labelled]:
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        others = ", ".join(f"{name}/" for name in HELD_OUT_NAMES)
        there = sorted(entry.name for entry in folder.iterdir())
        raise ConfigError(
            f"{place}: looked for {TRAIN}/ with one of {others}, or for a folder for each class, with images in it;"
            f" {'there is nothing' if not there else 'found ' + _listed(there)} in {folder}"
        )
    return [(path, name) for name in classes for path in _of_class(folder / name)]


def _of_class(folder: Path) -> list[Path]:
    """All images below a folder.

    Raises:
        ConfigError: there are none.
    """
    found = [
        Path(root, name)
        for root, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]
    if not found:
        raise ConfigError(f"{folder} is taken for a class, and holds no image ({', '.join(SUFFIXES)})")
    return sorted(found)


def _read_table(file: Path) -> tuple[list[Labelled], list[Labelled], str]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = list(_rows(file, csv.reader(opened)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} can't be read: {error}") from error
    parts = {split for _, _, split in rows}
    if not parts - {""}:
        return [(path, label) for path, label, _ in rows], [], ""
    other = next((name for name in HELD_OUT_NAMES if name in parts), "")
    unknown = sorted(parts - {TRAIN, *HELD_OUT_NAMES})
    if unknown or TRAIN not in parts:
        raise ConfigError(
            f"{file}: a split is {TRAIN!r}, or one of {', '.join(HELD_OUT_NAMES)};"
            f" {f'found {_listed(unknown)}' if unknown else f'no row has {TRAIN!r}'}"
        )
    train, held_out = ([(path, label) for path, label, split in rows if split == name] for name in (TRAIN, other))
    return train, held_out, f"split {other!r}"


def _rows(file: Path, reader: Iterator[list[str]]) -> Iterator[tuple[Path, str, str]]:
    """Path, label and part (in small letters) of each row.

    Raises:
        ConfigError: a column is missing, or a row has no value in it, or no file of that name is there.
    """
    header = [name.strip().lower() for name in next(reader, [])]
    path_at, label_at, split_at = (
        next((at for at, name in enumerate(header) if name in names), None) for names in (_PATHS, _LABELS, _SPLITS)
    )
    if path_at is None or label_at is None:
        raise ConfigError(
            f"{file}: looked for a first line that names the columns path and label (and split, where there are parts);"
            f" found {_listed(header) or 'nothing'}"
        )
    empty = True
    for number, row in enumerate(reader, 2):
        if not row:
            continue
        values = [cell.strip() for cell in row] + [""] * len(header)
        path, label = file.parent / values[path_at], values[label_at]
        if not values[path_at] or not label:
            raise ConfigError(f"{file}, line {number}: the path or the label is empty")
        if not path.is_file():
            raise ConfigError(f"{file}, line {number}: there is no file {path}; paths start at {file.parent}")
        empty = False
        yield path, label, values[split_at].lower() if split_at is not None else ""
    if empty:
        raise ConfigError(f"{file} names no image")


def _split(images: Sequence[Labelled], share: float, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """The images in two, of each class ``share`` in the second: at least one of two or more, and never all."""
    base = Path(os.path.commonpath([path.parent for path, _ in images]))

    def digest(path: Path) -> bytes:
        return hashlib.sha256(f"{seed}/{path.relative_to(base).as_posix()}".encode(errors="surrogateescape")).digest()

    by_class: dict[str, list[Path]] = {}
    for path, label in images:
        by_class.setdefault(label, []).append(path)
    held_out = set()
    for paths in by_class.values():
        count = min(max(1, round(share * len(paths))), len(paths) - 1)
        held_out.update(sorted(paths, key=digest)[:count])
    kept = [each for each in images if each[0] not in held_out]
    return kept, [each for each in images if each[0] in held_out]


def _check_known(place: Path, images: Sequence[Labelled], known: Sequence[str], are_given: bool) -> None:
    unknown = sorted({label for _, label in images} - set(known))
    if unknown:
        raise ConfigError(
            f"{place} has {_listed(unknown)}, which is none of the {len(known)} classes"
            f" {'given as labels' if are_given else 'to train with'} ({_listed(known)})"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (f", … ({len(names)})" if len(names) > _SHOWN else "")
