"""Errors that a user can meet: one exit code for each kind, and a line of what another one said."""

import pytest

from rdpass.core import errors
from rdpass.core.errors import ConfigError, PassError, RdpassError, TraceError, first_line

KINDS = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}


def test_every_error_is_one_of_rdpass_and_ends_with_a_code_that_is_no_signals():
    assert all(issubclass(kind, RdpassError) for kind in KINDS)
    assert all(1 <= kind.exit_code < 128 for kind in KINDS)


def test_codes_are_each_kinds_own():
    own = {kind.__name__: kind.exit_code for kind in KINDS}
    assert own == {
        "RdpassError": 1, "PassError": 1, "ConfigError": 2, "TraceError": 2, "NothingToConvert": 3, "ParityError": 4,
        "BudgetError": 4, "DivergedError": 5, "TargetError": 6, "DeviceError": 7, "IntegrityError": 8,
    }  # fmt: skip
    assert issubclass(TraceError, ConfigError)
    assert not issubclass(PassError, ConfigError)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one line"), "one line"),
        (ValueError("\n\n   the first that says something  \nand another"), "the first that says something"),
        (ValueError(), "ValueError"),
        (KeyboardInterrupt(" \n "), "KeyboardInterrupt"),
        (KeyError("name"), "'name'"),
    ],
)
def test_an_error_is_told_by_its_first_line_or_its_type(error, line):
    assert first_line(error) == line
