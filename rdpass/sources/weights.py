"""Trained weights from a file into a model built with random ones, whatever their names were prefixed with.

1. Components that wrappers put into names (``module``, ``_orig_mod``) are left out, on both sides.
2. A state dict of the file fits where, behind one prefix, it has every tensor of the model and no others. Beside that
   prefix it may hold what it likes: a loss, a teacher, an average of the weights.
3. Of those that fit, one that is no average of weights (EMA) is taken; averages are named.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from rdpass.capture.unwrapping import unwrapped
from rdpass.core.errors import ConfigError
from rdpass.core.tensors import type_names
from rdpass.sources.checkpoints import State, read_states, split_key

log = logging.getLogger(__name__)

USUAL = ("state_dict", "model_state_dict", "model", "module", "params", "net", "network")
"""Where training scripts keep the weights in a checkpoint; the first of these that fits is meant."""
_OF_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_COUNTERS = ("num_batches_tracked", "n_averaged")  # nothing here reads them; old checkpoints have none
_AVERAGE = re.compile(r"(^|[._])(ema|swa|avg|averaged|shadow)([._]|$)")
SHOWN = 3


def load_weights(model: nn.Module, given: str | Path) -> None:
    """Put the weights in ``given`` into ``model``, every tensor of it, and say which where there was a choice.

    Args:
        model: any module; of a wrapper, the network in it.
        given: a file (``torch.save``'s, or ``.safetensors``), or ``FILE:key`` for a state dict in it, or for those of
            its tensors whose names begin so.

    Raises:
        ConfigError: the file can't be read, or does not hold this model's tensors; the message names them.
    """
    file, key = split_key(given)
    network = unwrapped(model)
    own = network.state_dict()
    names, states = _plain_names(own), read_states(file)
    fits = _all_fits(states, {plain: own[name] for plain, name in names.items()})
    chosen = _chosen(file, key, fits)
    network.load_state_dict({names[plain]: value for plain, value in chosen.found.items()}, strict=False)
    _tell(file, chosen, fits)


@dataclass(frozen=True)
class _Fit:
    """How well the tensors behind a prefix fit the model: ``found`` by the model's names, and what does not.

    ``path`` is the state dict's, ``others`` how many tensors lie beside the prefix.
    """

    path: str
    prefix: str
    found: State
    problems: tuple[str, ...]
    is_other: bool
    others: int

    @property
    def label(self) -> str:
        return ".".join(part for part in (self.path, self.prefix.rstrip(".")) if part)

    @property
    def is_average(self) -> bool:
        return bool(_AVERAGE.search(self.label))


def _plain(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _OF_WRAPPERS)


def _plain_names(state: State) -> dict[str, str]:
    """The names of a state dict by what they are without those of wrappers; by themselves where two would be one."""
    names = {_plain(name): name for name in state}
    return names if len(names) == len(state) else {name: name for name in state}


def _all_fits(states: dict[str, State], own: State) -> list[_Fit]:
    fits = [fit for path, state in states.items() for fit in _fits(path, state, own)]
    inner = _common_prefix(own)
    if inner and all(fit.problems for fit in fits):  # the file may hold the one part that has all the weights
        part = {name.removeprefix(inner): value for name, value in own.items()}
        for path, state in states.items():
            for fit in _fits(path, state, part):
                fits.append(replace(fit, found={f"{inner}{name}": value for name, value in fit.found.items()}))
    return fits


def _common_prefix(own: State) -> str:
    """The first component of the model's names, where all have the same."""
    heads = {name.partition(".")[0] for name in own}
    return f"{heads.pop()}." if len(heads) == 1 and all("." in name for name in own) else ""


def _fits(path: str, state: State, own: State) -> Iterator[_Fit]:
    """The tensors of a state dict behind each prefix that leads to names of the model, and behind none."""
    plain = {name: state[given] for name, given in _plain_names(state).items()}
    prefixes = {"": None}  # in the order of the file
    for name in plain:
        parts = name.split(".")
        heads = (count for count in range(1, len(parts)) if ".".join(parts[count:]) in own)
        prefixes.update({f"{'.'.join(parts[:count])}.": None for count in heads})
    complete = [prefix for prefix in prefixes if all(f"{prefix}{name}" in plain for name in own if not _counts(name))]
    for prefix in prefixes:
        yield _fit(path, prefix, plain, own, [other for other in complete if not prefix.startswith(other)])


def _fit(path: str, prefix: str, state: State, own: State, elsewhere: Sequence[str]) -> _Fit:
    """``elsewhere``: other prefixes with all of the model's names; what lies behind them is not this one's."""
    behind = {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix) and not name.startswith(tuple(elsewhere))
    }
    missing = [name for name in own if name not in behind and not _counts(name)]
    foreign = [name for name in behind if name not in own and not _counts(name)]
    wrong = [
        f"{name} {_size(value)} for the model's {_size(own[name])}"
        for name, value in behind.items()
        if name in own and value.shape != own[name].shape
    ]
    strange = [f"{name} ({_kind(value)})" for name, value in behind.items()
               if name in own and not _is_copied(value, own[name])]  # fmt: skip
    problems = (
        _listed("missing", missing),
        _listed("not in the model", foreign),
        _listed("of another shape", wrong),
        _listed("no dense tensors of the model's kind of numbers", strange),
    )
    found = {name: value for name, value in behind.items() if name in own and value.shape == own[name].shape}
    return _Fit(path, prefix, found, tuple(filter(None, problems)), bool(wrong) or not found, len(state) - len(behind))


def _counts(name: str) -> bool:
    return name.endswith(_COUNTERS)


def _chosen(file: Path, key: str, fits: Sequence[_Fit]) -> _Fit:
    meant = [fit for fit in fits if not key or f"{fit.label}.".startswith(f"{_plain(key) or key}.") or fit.path == key]
    if not meant:
        there = ", ".join(dict.fromkeys(fit.path or "tensors of its own" for fit in fits))
        raise ConfigError(f"{file} has no {key!r}; it has {there}")
    whole = [fit for fit in meant if not fit.problems]
    if not whole:
        raise ConfigError(_refusal(file, max(meant, key=lambda fit: len(fit.found))))
    ordinary = [fit for fit in whole if not fit.is_average] or whole
    by_use = sorted(ordinary, key=_rank)
    if len(by_use) > 1 and _rank(by_use[0]) == _rank(by_use[1]) and not _are_equal(by_use[0], by_use[1]):
        choices = " or ".join(f"--weights {file}:{fit.label}" for fit in by_use)
        raise ConfigError(f"{file} holds this model's weights {len(by_use)} times; say which: {choices}")
    return by_use[0]


def _rank(fit: _Fit) -> int:
    """The place of its key among the usual ones; the file's own tensors come first."""
    keys = fit.label.split(".")
    return -1 if not fit.label else next((USUAL.index(part) for part in keys if part in USUAL), len(USUAL))


def _are_equal(a: _Fit, b: _Fit) -> bool:
    return all(torch.equal(value, b.found[name]) for name, value in a.found.items())


def _tell(file: Path, chosen: _Fit, fits: Sequence[_Fit]) -> None:
    """Say what was taken, unless the file is nothing but these weights."""
    rest = [fit for fit in fits if fit is not chosen and not fit.problems]
    averages = [fit.label for fit in rest if fit.is_average]
    if chosen.label or chosen.others or rest:
        log.warning(
            "%s: the weights taken are %s%s%s", file, chosen.label or "the file's own",
            f"; {chosen.others} tensors beside them are left out" if chosen.others else "",
            f"; averaged (EMA) weights are there too: --weights {file}:{averages[0]}" if averages else "",
        )  # fmt: skip


def _refusal(file: Path, closest: _Fit) -> str:
    problems = "; ".join(closest.problems)
    where = f" ({closest.label})" if closest.label else ""
    if closest.is_other:
        return (
            f"{file}{where} holds the weights of another network: {problems}. Build that network:"
            " 'timm:NAME(num_classes=10)', or pkg.mod:callable for one of your own"
        )
    return f"{file}{where} does not hold exactly this model's weights: {problems}. {len(closest.found)} tensors fit"


def _is_copied(value: Tensor, own: Tensor) -> bool:
    """Tell whether the value can be copied without a loss that nobody asked for: complex numbers have an imaginary
    part, and integers for floats are those of a quantised network."""
    dense = value.layout is torch.strided and not value.is_meta and not value.is_quantized and not value.is_complex()
    return dense and (value.is_floating_point() or not own.is_floating_point())


def _kind(value: Tensor) -> str:
    where = "meta" if value.is_meta else str(value.layout).removeprefix("torch.")
    return f"{where} {type_names([value.dtype])}"


def _listed(what: str, names: Sequence[str]) -> str:
    """``3 missing (a, b, …)``; empty for none."""
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})" if names else ""


def _size(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
