"""The output folder of ``convert``: the student, and how it came about.

    student.pt2            the student as a torch.export program, loadable without the model's code, and data alone
    student.safetensors    its weights alone
    conversion.json        plan, outcomes, gates, history, settings, versions; a digest of every file and of itself
    config.toml            the settings, all of them, as --config takes them
    network.svg            the model with the bytes live at each kernel, before and after, where convert made it
    history.jsonl          a line per logged step and per epoch, where something was trained
    tensorboard/           the same numbers, where that was asked for
    student-int8.onnx      the student in int8 with golden numbers beside it, where that was asked for; data alone
    int8/                  history.jsonl and tensorboard/ of its training in int8, if any
    step1/ …               likewise of each step of pruning but the last
    labels.txt             a class a line, in the order of the outputs, where it learnt from image files

While training, ``<folder>.partial`` holds the state to resume from; it goes when the folder is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file
from torch import Tensor, nn

from rdpass import __version__
from rdpass.capture.layer_names import restore_layer_names
from rdpass.capture.programs import load_program, save_program
from rdpass.capture.trace import trace
from rdpass.core.checksums import open_object, sealed_object
from rdpass.core.comparison import Array, NumericGate, check_close
from rdpass.core.errors import ConfigError, IntegrityError, first_line
from rdpass.core.estimates import Compared
from rdpass.core.files import file_digest, new_folder, tidy_up
from rdpass.core.image_settings import ImageSettings
from rdpass.core.places import check_free, file_names
from rdpass.core.plan import Cost, Cut, Estimated, Merging, Outcome, Plan, Pruning
from rdpass.core.tensors import arrays_of
from rdpass.passes.quantize.report import QuantizationReport
from rdpass.runs.result import Conversion
from rdpass.runs.settings import ConvertConfig, to_toml
from rdpass.training.checkpoint import LAST_STAGE, damaged, has_checkpoint, previous
from rdpass.training.options import MOST_STEPS
from rdpass.training.world import current_world

if TYPE_CHECKING:
    from rdpass.recipes.quantised_training import Int8Student

PROGRAM = "student.pt2"
WEIGHTS = "student.safetensors"
RECORD = "conversion.json"
SETTINGS = "config.toml"
DRAWING = "network.svg"
STATE = "checkpoint.pt"
LABELS = "labels.txt"
INT8, INT8_GOLDEN = "student-int8.onnx", "student-int8.golden.npz"
STAGES = (LAST_STAGE, *(f"step{step}" for step in range(1, MOST_STEPS)))
TRACES = tuple(f"{stage}{name}" for stage in ("", *(f"{each}/" for each in STAGES))
               for name in ("history.jsonl", "tensorboard"))  # fmt: skip
SAVED_TOLERANCE = 1e-5


def check_run(out: str | Path | None, resume: str | None, force: bool) -> None:
    """Refuse, before any work, an output place or a resume that can't be.

    Raises:
        ConfigError: the place is taken or can't be written, or an interrupted run lies there and it is not said
            whether to resume it.
    """
    if resume not in (None, "auto"):
        raise ConfigError(f"resume is 'auto' or left out, not {resume!r}")
    state = training_state(out)
    if out is None or state is None:
        if resume:
            raise ConfigError("resume needs out, the folder of the interrupted run")
        return
    if current_world().is_first:
        with held(out):  # nobody else writes there
            pass
    check_free(Path(out), force, written_files)
    tidy_up(state)
    check_free(state.parent, True, _state_files)
    states = (state, *(state.parent / stage / state.name for stage in STAGES))
    if any(map(has_checkpoint, states)) and not resume and not force:
        raise ConfigError(f"an interrupted run lies in {state.parent}; resume it (--resume auto), or --force anew")


def written_files(folder: Path) -> set[str] | None:
    """What ``convert`` writes into a run folder; None for another folder."""
    if not (folder / RECORD).is_file():
        return None
    traces = {*TRACES, *(f"{name}/" for name in TRACES)}
    return {PROGRAM, WEIGHTS, RECORD, SETTINGS, DRAWING, LABELS, INT8, INT8_GOLDEN, *traces}


def _state_files(folder: Path) -> set[str]:
    states = {STATE, previous(Path(STATE)).name, damaged(Path(STATE)).name}
    stages = {f"{stage}/{name}" for stage in STAGES for name in states}
    return {*states, *stages, *TRACES, *(f"{name}/" for name in TRACES)}


def training_state(out: str | Path | None) -> Path | None:
    """The file that a training towards ``out`` keeps its state in."""
    return None if out is None else Path(f"{Path(out)}.partial") / STATE  # not in out, where that ends with a slash


@contextmanager
def held(out: str | Path | None) -> Iterator[None]:
    """Nobody else writes to ``out`` while the block runs: the folder of its training state is locked.

    Raises:
        ConfigError: another process writes to it.
    """
    state = training_state(out)
    if state is None or (os.path.lexists(state.parent) and not state.parent.is_dir()):
        yield  # which check_run refuses
        return
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(state.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"{out} can't be written: {error.strerror}") from error
    try:
        _lock(folder, Path(f"{out}"))
        yield
    finally:
        os.close(folder)
        with suppress(OSError):  # it holds something, and stays
            state.parent.rmdir()


def _lock(folder: int, out: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(f"another process is writing {out}; wait for it, or give another place") from error
    except OSError:
        return  # a file system without locks


def drop_training_state(out: str | Path | None) -> None:
    """Remove what an interrupted run towards ``out`` left.

    Raises:
        ConfigError: something else lies there.
    """
    state = training_state(out)
    if state is not None and state.parent.is_dir():
        check_free(state.parent, True, _state_files)
        for entry in state.parent.iterdir():  # not the folder itself, which is locked
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def save_run(conversion: Conversion, out: Path, settings: ConvertConfig, drawing: str, force: bool) -> Conversion:
    """Write the folder as a whole, then drop the training state; returns what ``load_run`` will.

    ``drawing``: of the network, as SVG.

    Raises:
        ConfigError: the place is taken, or the student can't be saved.
        ParityError: the student that was saved gives other numbers.
    """
    with new_folder(out, force, written_files) as folder:
        _copy_traces(out, folder)
        (folder / DRAWING).write_text(drawing, encoding="utf-8")
        saved = write_run(conversion, folder, settings)
    drop_training_state(out)
    return saved


def write_run(conversion: Conversion, folder: Path, settings: ConvertConfig) -> Conversion:
    """Write everything but the training's traces into an empty folder, and the record of all that lies there.

    The student is read back and compared, as the gate ``saved`` says; the conversion is returned with it.
    """
    save_program(conversion.student, conversion.example, folder / PROGRAM)
    save_file(_separate(conversion.student.state_dict()), folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors gives its files to their owner alone
    (folder / SETTINGS).write_text(to_toml(settings.model_dump()))
    if conversion.images is not None:
        (folder / LABELS).write_text("".join(f"{label}\n" for label in conversion.images.labels), encoding="utf-8")
    if conversion.int8 is not None:
        conversion.int8.save(folder / INT8)
    student, _ = read_student(folder)
    gate = check_saved(_run(student, conversion.example), conversion)
    saved = replace(conversion, gates=(*conversion.gates, gate))
    files = {name: file_digest(folder / name) for name in file_names(folder)}
    record = sealed_object({**_record(saved, settings), "files": files})
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    return saved


def check_saved(read: Sequence[Array], conversion: Conversion) -> NumericGate:
    """Compare what a student that was read back gives on the example with what the conversion's does.

    Raises:
        ParityError: they differ.
    """
    return check_close("saved", read, _run(conversion.student, conversion.example), SAVED_TOLERANCE)


def _run(student: nn.Module, example: tuple[Tensor, ...]) -> list[Array]:
    with torch.no_grad():
        return arrays_of(student(*(x.clone() for x in example)))


def read_student(folder: Path) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The student of a run folder as a graph module in eval mode, and the example."""
    program, example = load_program(folder / PROGRAM)
    return restore_layer_names(program, trace(program, example).module).eval(), example


def _separate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as safetensors takes them, each with memory of its own: two names of one are two copies."""
    seen: set[int] = set()
    separate: dict[str, Tensor] = {}
    for name, value in state.items():
        shared = value.untyped_storage().data_ptr() in seen
        separate[name] = value.detach().clone(memory_format=torch.contiguous_format) if shared else value.contiguous()
        seen.add(value.untyped_storage().data_ptr())
    return separate


def _copy_traces(out: Path, folder: Path) -> None:
    """Copy what the training has recorded on its way."""
    state = training_state(out)
    for name in TRACES:
        if state is not None and (state.parent / name).is_dir():
            shutil.copytree(state.parent / name, folder / name)
        elif state is not None and (state.parent / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(state.parent / name, folder / name)


@dataclass(frozen=True)
class Record:
    """Contents of ``conversion.json``; the fields are those of ``Conversion``, of ``int8`` its report."""

    recipe: str
    plan: Plan
    outcomes: tuple[Outcome, ...]
    cuts: tuple[Cut, ...]
    cost: Cost
    gates: tuple[NumericGate, ...]
    history: tuple[dict[str, float], ...]
    compared: tuple[Compared, ...] = ()
    int8: QuantizationReport | None = None
    pruning: Pruning | None = None
    merging: Merging | None = None
    estimated: Estimated | None = None
    images: ImageSettings | None = None


_RECORD = TypeAdapter(Record)


def read_record(folder: Path) -> Record:
    """The record of a run folder.

    Raises:
        ConfigError: it is no run folder, or the record is damaged.
    """
    try:
        return _RECORD.validate_python(read_body(folder))
    except ValueError as error:  # pydantic's errors are of this kind
        raise ConfigError(f"{folder} is not the output folder of rdpass convert: {RECORD} has another form") from error


def read_body(folder: Path) -> dict[str, Any]:
    """What ``conversion.json`` holds, once it has been checked, and every file of the run folder.

    Raises:
        ConfigError: it is no run folder, or the record is damaged.
        IntegrityError: another file is missing or not what was written.
    """
    try:
        body = open_object((folder / RECORD).read_text())
        files = {str(name): str(digest) for name, digest in body["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = f"{RECORD} can't be read ({first_line(error)})"
        raise ConfigError(f"{folder} is not the output folder of rdpass convert: {reason}") from error
    present = file_names(folder)
    for name, digest in files.items():
        if name not in present or not (folder / name).is_file():
            raise IntegrityError(f"{folder}: {name} is missing; convert the model again")
        _check_file(folder, name, digest)
    return body


def _check_file(folder: Path, name: str, digest: str) -> None:
    try:
        same = file_digest(folder / name) == digest
    except OSError as error:
        raise IntegrityError(f"{folder}: {name} can't be read: {error.strerror}; convert the model again") from error
    if not same:
        raise IntegrityError(f"{folder}: {name} has changed since it was written; convert the model again")


def load_run(path: str | Path, *, teacher: nn.Module | None = None) -> Conversion:
    """Load what ``convert`` saved in a folder, equal in every field to what it returned but for the teacher.

    A run folder holds no teacher: it is the user's own model. Give it where it is needed, by ``distill``.

    Args:
        path: the folder that was ``convert``'s ``out``.
        teacher: the model that was converted, to be the conversion's ``teacher``; None leaves that None.

    Returns:
        The conversion. Its student is a graph module with the saved weights, in eval mode.

    Raises:
        ConfigError: it is no run folder, or the teacher is no module.
        IntegrityError: a file in it is missing or not what was written; the message names it.

    Example:
        >>> import rdpass
        >>> made = rdpass.convert(model, example, out="run")
        >>> again = rdpass.load_run("run", teacher=model)
        >>> again.outcomes == made.outcomes and again.cost == made.cost and again.gates == made.gates
        True
        >>> bool((again.student(example) == made.student(example)).all())
        True
    """
    if teacher is not None and not isinstance(teacher, nn.Module):
        raise ConfigError(f"teacher= takes the torch.nn.Module that was converted, not a {type(teacher).__name__}")
    folder = Path(path)
    record = read_record(folder)
    student, example = read_student(folder)
    int8 = None if record.int8 is None else _read_int8(folder, record.int8)
    return Conversion(teacher=teacher, student=student, example=example, **{**vars(record), "int8": int8})


def _read_int8(folder: Path, report: QuantizationReport) -> Int8Student:
    import onnx

    from rdpass.onnx.golden import read_golden
    from rdpass.onnx.source import read_onnx
    from rdpass.recipes.quantised_training import Int8Student

    golden = read_golden(read_onnx(folder / INT8), folder / INT8_GOLDEN)
    return Int8Student(onnx.load(folder / INT8), golden, report)


def _record(conversion: Conversion, settings: ConvertConfig) -> dict[str, Any]:
    return {
        "recipe": conversion.recipe,
        "plan": asdict(conversion.plan),
        "outcomes": [asdict(outcome) for outcome in conversion.outcomes],
        "cuts": [asdict(cut) for cut in conversion.cuts],
        "cost": asdict(conversion.cost),
        "gates": [asdict(gate) for gate in conversion.gates],
        "history": list(conversion.history),
        "compared": [asdict(each) for each in conversion.compared],
        "int8": None if conversion.int8 is None else asdict(conversion.int8.report),
        "pruning": None if conversion.pruning is None else asdict(conversion.pruning),
        "merging": None if conversion.merging is None else asdict(conversion.merging),
        "estimated": None if conversion.estimated is None else asdict(conversion.estimated),
        "images": None if conversion.images is None else asdict(conversion.images),
        "config": settings.model_dump(),
        "versions": {"rdpass": __version__, "torch": torch.__version__},
    }
