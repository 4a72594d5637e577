"""Every error a user can meet, each with the exit code the command line ends with."""

from __future__ import annotations


class RdpassError(Exception):
    """Base of all errors raised on purpose. The message says what is wrong, where, and what to do about it."""

    exit_code = 1


class ConfigError(RdpassError):
    """A wrong argument, option or configuration, or an output place that can't be written."""

    exit_code = 2


class TraceError(ConfigError):
    """The model can't be turned into a graph, or the graph does not compute what the model computes."""


class NothingToConvert(RdpassError):
    """The model has no residual add, or none that was selected."""

    exit_code = 3


class ParityError(RdpassError):
    """Two stages that should agree differ by more than the gate's tolerance."""

    exit_code = 4


class BudgetError(RdpassError):
    """No network that was looked at keeps to the budget."""

    exit_code = 4


class DivergedError(RdpassError):
    """Training met a loss or data that are not finite, or data it can't use."""

    exit_code = 5


class TargetError(RdpassError):
    """An unknown target, or a tool that building for it needs is missing or failed."""

    exit_code = 6


class DeviceError(RdpassError):
    """A board or an emulated one can't be reached, or what runs there failed."""

    exit_code = 7


class IntegrityError(RdpassError):
    """A bundle or run folder is not byte for byte what was written, or a bundle is not for this CPU."""

    exit_code = 8


class PassError(RdpassError):
    """A pass broke its promise: a bug in rdpass, named with the pass and the node."""


def first_line(error: BaseException) -> str:
    """The first line of its message, to be told in one of ours; the name of its type if it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def root_of(error: BaseException) -> BaseException:
    """The error that began the chain of those that were raised ``from`` another."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
