"""A bundle's folder: opened, checked, and its files held open, so that what is loaded is what was hashed.

The manifest lists every file with its SHA-256, and has one of its own text. A bundle holds regular files alone: a
link, a pipe, or a file or folder more makes it none. Digests find damage and no deceit: who can write to the folder can
write a manifest that fits. `openssl pkeyutl` checks a signature (see rdpass's docs/security.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from rdpass_runtime.errors import IntegrityError

MANIFEST, SUMS, SIGNATURE = "manifest.json", "SHA256SUMS", "manifest.sig"
REMEDY = "build or copy the bundle again"
FORMAT = 1
_LONGEST_MANIFEST = 16 << 20
_PIECE = 1 << 20
_SHOWN = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class BundleFiles:
    """The checked files of the bundle ``folder``, open until ``close``.

    Of TVM's kind of bundle the network itself, which may be large, is left to ``librdpass_network.so``: that checks it
    by the digest that it was built with, and loads the very file that it read.

    Args:
        folder: the bundle.

    Raises:
        IntegrityError: not a bundle, or a file is missing, added, changed, or no regular file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = ExitStack()
        self._files: dict[str, int] = {}
        try:
            self.manifest = self._read_manifest()
            self.digests: dict[str, str] = self.manifest["files"]
            self._check_listing()
            left = self.manifest["library"] if self.manifest["runtime"] == "vm" else None
            for name in sorted(self.digests.keys() - {left}):
                self._open_checked(name)
        except OSError as error:
            self.close()
            reason = f"{folder} can't be read: {error.filename or ''} {error.strerror}"
            raise IntegrityError(f"{reason}; {REMEDY}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files. What was loaded of them stays."""
        self._held.close()
        self._files.clear()

    def path(self, name: str) -> str:
        """A path to the file whose bytes were hashed, whatever lies in its place by now.

        The system's loader takes a library for one that it has if that was loaded under the same path, and numbers of
        descriptors come again: the path says what the file holds, its digest spelled as steps to the same folder.
        """
        bits = "".join(f"{ord(letter):07b}" for letter in self.digests[name][:16])
        steps = "".join("./" if bit == "0" else ".//" for bit in bits)
        return f"/proc/self/fd/{steps}{self._files[name]}"

    def _open(self, name: str) -> int:
        """A descriptor of the regular file ``name``; no part of the name is followed if it is a link."""
        *folders, last = PurePosixPath(name).parts
        with ExitStack() as passed:
            at = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            passed.callback(os.close, at)
            for part in folders:
                at = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=at)
                passed.callback(os.close, at)
            file = os.open(last, _FLAGS, dir_fd=at)
        self._held.callback(os.close, file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise self._failure(f"{name} is no file")
        return file

    def _open_checked(self, name: str) -> None:
        file = self._files[name] = self._open(name)
        found = hashlib.sha256()
        for piece in _pieces(file):
            found.update(piece)
        if found.hexdigest() != self.digests[name]:
            raise self._failure(f"{name} has changed since it was built")

    def _read_manifest(self) -> dict[str, Any]:
        try:
            file = self._open(MANIFEST)
        except OSError as error:
            text = f"{self.folder} is not a bundle: {MANIFEST} can't be read ({error.strerror})"
            raise IntegrityError(text) from error
        if os.fstat(file).st_size > _LONGEST_MANIFEST:
            raise self._failure(f"{MANIFEST} is damaged: it is too large")
        raw = b"".join(_pieces(file))
        try:
            body = json.loads(raw)
            said, body["sha256"] = body["sha256"], ""
            intact = said == hashlib.sha256((json.dumps(body, indent=1, sort_keys=True) + "\n").encode()).hexdigest()
            _check_form(body)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._failure(f"{MANIFEST} is damaged ({str(error)[:_SHOWN]})") from error
        if not intact:
            raise self._failure(f"{MANIFEST} has changed since it was built")
        if body["format"] != FORMAT:
            raise IntegrityError(f"{self.folder}: format {body['format']}, this version reads {FORMAT}; update it")
        manifest: dict[str, Any] = body
        return manifest

    def _check_listing(self) -> None:
        wanted = {*self.digests, MANIFEST, SUMS}
        folders = {str(parent) for name in wanted for parent in PurePosixPath(name).parents} - {"."}
        present = dict(_entries(self.folder))
        for name in sorted({*wanted, *present} - {SIGNATURE} - folders):
            if name not in present:
                raise self._failure(f"{name} is missing")
            if name not in wanted:
                raise self._failure(f"{name} is not part of the bundle")
            if not stat.S_ISREG(present[name]):
                raise self._failure(f"{name} is a link, a folder, a pipe or a device, and a bundle holds files alone")

    def _failure(self, reason: str) -> IntegrityError:
        return IntegrityError(f"{self.folder}: {reason}; {REMEDY}")


def check_architecture(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse a bundle for another kind of CPU than this machine's.

    Raises:
        IntegrityError: the message names both.
    """
    built_for = str(manifest["target"]["triple"]).partition("-")[0]
    if built_for != platform.machine():
        raise IntegrityError(f"{folder} is for another CPU: {built_for}, and this is {platform.machine()}")


def _check_form(body: dict[str, Any]) -> None:
    """Refuse a manifest without what is read of it here.

    Raises:
        ValueError: the message names the field.
    """
    files, target = body["files"], body["target"]
    if not isinstance(files, dict) or not all(_is_entry(name, digest) for name, digest in files.items()):
        raise ValueError("'files' is not what a manifest says there")
    if not isinstance(target, dict) or not isinstance(target.get("triple"), str):
        raise ValueError("'target' is not what a manifest says there")
    if body["runtime"] not in ("vm", "none") or not isinstance(body["format"], int) or body["library"] not in files:
        raise ValueError("'runtime', 'format' or 'library' is not what a manifest says there")


def _is_entry(name: object, digest: object) -> bool:
    return (
        isinstance(name, str) and bool(_NAME.fullmatch(name))
        and isinstance(digest, str) and bool(_DIGEST.fullmatch(digest))
    )  # fmt: skip


def _pieces(file: int) -> Iterator[bytes]:
    return iter(lambda: os.read(file, _PIECE), b"")


def _entries(folder: Path, below: str = "") -> Iterator[tuple[str, int]]:
    """Everything in the folder and those in it, by name with slashes, with its mode."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            yield name, entry.stat(follow_symlinks=False).st_mode
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(folder, f"{name}/")
