"""``manifest.json``, what a bundle says about itself, and the check that not one byte of a bundle has changed.

A bundle is a folder whose manifest lists every other file with its SHA-256. The manifest carries a SHA-256 of its own
text (with that field empty), so a byte changed anywhere, the manifest included, is found before anything is loaded.
``SHA256SUMS`` says the same once more, for `sha256sum -c` on a board without Python. Equal inputs give equal bytes:
keys are sorted and there are no timestamps.

Digests find damage. They find no deceit: whoever can write to the folder can write a manifest that fits. Against that
there is a signature (``signature``), by a key that only the builder has.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rdpass.core.call_plan import CallPlan, plan_of
from rdpass.core.comparison import NumericGate, gate_of
from rdpass.core.errors import ConfigError, IntegrityError, first_line
from rdpass.core.files import check_regular, file_digest
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.places import file_names
from rdpass.core.processing import Processing, processing_of
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.contents import REMEDY, check_listed, digest, read_text
from rdpass.deploy.bundle.manifest_form import check_form
from rdpass.deploy.bundle.signature import SIGNATURE, check_signature, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "manifest.json"
SUMS = "SHA256SUMS"
FORMAT = 1
_SHOWN = 200  # letters of what is wrong
_LATER = ("processing", "plan")
"""Fields that manifests of earlier versions don't have."""
Runtime = Literal["vm", "none"]


@dataclass(frozen=True)
class Manifest:
    """Record of a build: from what, for what, how exactly it computes, and the digest of every file.

    File names are relative, with slashes.

    Args:
        source: SHA-256 of the ONNX model.
        target: the fields of the ``Target``.
        inputs: what the network takes.
        outputs: what it gives.
        library: name of the file with the built network.
        gates: comparisons passed, from torch to what was built; errors are relative.
        golden: files of golden inputs and outputs, where these come from, and the tolerance.
        planned_activation_bytes: the activations' blocks and the outputs; without a runtime the arena, with all scratch
            and without the outputs.
        planned_workspace_bytes: the scratch of the one function that needs most; 0 without a runtime.
        fallbacks: the functions that no kernel of ours computes, each with its share of the time, as estimated.
        versions: of what it was built with.
        files: SHA-256 of every file by name.
        notes: what else there is to say.
        runtime: whether TVM's virtual machine runs the network ("vm") or it is a C library ("none").
        tuning: empty for a build without a database; else how many distinct ``workloads`` the network has, how many
            were ``tuned`` and how many of these ``estimated`` only, with how many tuned tiles the whole ``network`` was
            built and why, with its times, and the digest of the ``database``'s records for the target.
        kernels: the kernels of ours by their names, which say the type first (f32, f16, s8, u8), their calls, and their
            share of the network's operations.
        precision: the numbers that the network computes in.
        optimize: what kernels were chosen for: "speed", "balanced" or "size".
        constants: bytes of all constants, equal ones once: in the ``model``, ``packed`` as kernels read them, and of
            these ``transformed`` beyond what the smallest kernels would read.
        processing: what is done within the network to an image and to its scores, and the names of its classes; None
            where nothing was said.
        plan: the calls in order and where their maps lie in the planned memory, as ``rdpass profile`` shows them; None
            in bundles of earlier versions, whose runners have no timers.
        format: version of this file's form.

    Example:
        >>> import rdpass
        >>> manifest = rdpass.load("student.rdp").manifest
        >>> manifest.runtime, sorted(name for name in manifest.files if name.endswith(".so") and "/" not in name)
        ('vm', ['librdpass_network.so', 'model.so'])
    """

    source: str
    target: dict[str, Any]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    library: str
    gates: tuple[NumericGate, ...]
    golden: dict[str, Any]
    planned_activation_bytes: int
    planned_workspace_bytes: int
    fallbacks: tuple[dict[str, Any], ...]
    versions: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    runtime: Runtime = "vm"
    tuning: dict[str, Any] = field(default_factory=dict)
    kernels: tuple[dict[str, Any], ...] = ()
    precision: Precision = SINGLE
    optimize: Optimize = SPEED
    constants: dict[str, int] = field(default_factory=dict)
    processing: Processing | None = None
    plan: CallPlan | None = None
    format: int = FORMAT


def seal(folder: Path, manifest: Manifest, key: Ed25519PrivateKey | None = None) -> Manifest:
    """Write ``manifest.json`` into ``folder`` with the digest of every file there, and return what was written.

    With a ``key`` it is signed; else no signature is left there.
    """
    files = {name: file_digest(folder / name) for name in file_names(folder) if name not in (NAME, SUMS, SIGNATURE)}
    sealed = replace(manifest, files=files)
    (folder / NAME).write_bytes(_encode(sealed))
    (folder / SUMS).write_text(_sums(sealed))
    (folder / SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        (folder / SIGNATURE).write_bytes(sign(key, _encode(sealed)))
    return sealed


def open_sealed(folder: Path, *, key: Path | None = None, copy: Path | None = None) -> Manifest:
    """The manifest of ``folder``, once every byte of every file has been checked against it.

    Args:
        folder: the bundle.
        key: a public key (PEM) by whose private one the manifest has to be signed; None asks for no signature.
        copy: an empty folder that gets the bytes that were checked.

    Raises:
        ConfigError: the key can't be used.
        IntegrityError: not a bundle, a file is missing, added, changed or no regular file, or the signature is not that
            of the key; the message names the file.
    """
    manifest = _decode(folder)
    try:
        if key is not None:
            check_signature(folder, _encode(manifest), key)
        check_listed(folder, {*manifest.files, NAME, SUMS}, {SIGNATURE})
        for name, expected in sorted(manifest.files.items()):
            if digest(folder, name, copy) != expected:
                raise IntegrityError(f"{folder}: {name} has changed since it was built; {REMEDY}")
        if read_text(folder, SUMS) != _sums(manifest).encode():
            raise IntegrityError(f"{folder}: {SUMS} has changed; {REMEDY}")
    except OSError as error:
        raise IntegrityError(f"{folder} can't be read: {error.filename or ''} {error.strerror}; {REMEDY}") from error
    if copy is not None:
        (copy / NAME).write_bytes(_encode(manifest))
        (copy / SUMS).write_text(_sums(manifest))
    return manifest


@contextmanager
def opened(folder: Path, *, key: Path | None = None) -> Iterator[tuple[Path, Manifest]]:
    """A private copy of the bundle, every byte of it checked, for as long as the block runs, and its manifest.

    Raises:
        ConfigError, IntegrityError: as ``open_sealed``.
    """
    with tempfile.TemporaryDirectory(prefix="rdpass-") as place:
        copy = Path(place) / (folder.resolve().name or "bundle")
        copy.mkdir()
        yield copy, open_sealed(folder, key=key, copy=copy)


def written_files(folder: Path) -> set[str] | None:
    """The files that a bundle's manifest lists, and the two that hold digests; None for another folder.

    What lies there may have changed since: this says whose it is, not whether it is intact.
    """
    try:
        check_regular(folder / NAME)
        body = json.loads((folder / NAME).read_bytes())
        return (
            {*map(str, dict(body["files"])), NAME, SUMS, SIGNATURE} if "sha256" in body and "library" in body else None
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _sums(manifest: Manifest) -> str:
    digests = {**manifest.files, NAME: hashlib.sha256(_encode(manifest)).hexdigest()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _encode(manifest: Manifest) -> bytes:
    body = asdict(manifest)
    for name in _LATER:
        if body[name] is None:
            del body[name]
    body["sha256"] = ""
    body["sha256"] = hashlib.sha256(_text(body)).hexdigest()
    return _text(body)


def _text(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()


def _decode(folder: Path) -> Manifest:
    try:
        raw = read_text(folder, NAME)
        body = json.loads(raw)
        check_form(body)
        manifest = _from_json(body)
        intact = _encode(manifest) == raw
    except OSError as error:
        raise IntegrityError(f"{folder} is not a bundle: {NAME} can't be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigError) as error:
        raise IntegrityError(f"{folder}: {NAME} is damaged ({first_line(error)[:_SHOWN]}); {REMEDY}") from error
    if not intact:
        raise IntegrityError(f"{folder}: {NAME} has changed since it was built; {REMEDY}")
    if manifest.format != FORMAT:
        raise IntegrityError(f"{folder}: format {manifest.format}, this version reads {FORMAT}; build the bundle again")
    return manifest


def _from_json(body: dict[str, Any]) -> Manifest:
    fields = {key: value for key, value in body.items() if key != "sha256"}
    for key in ("inputs", "outputs"):
        fields[key] = tuple(TensorSpec(s["name"], tuple(s["shape"]), s["dtype"]) for s in fields[key])
    fields["gates"] = tuple(map(gate_of, fields["gates"]))
    for key in ("fallbacks", "kernels", "notes"):
        fields[key] = tuple(fields[key])
    if "processing" in fields:
        fields["processing"] = processing_of(fields["processing"])
    if "plan" in fields:
        fields["plan"] = plan_of(fields["plan"])
    return Manifest(**fields)
