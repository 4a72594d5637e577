"""Code by its name, wherever its module lies, and the user's line that raised an error."""

import sys

import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.core.named_code import failures_told, find_named, names_code, users_line


def test_a_function_a_method_and_a_value_are_found_and_not_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "code_of_a_user.py").write_text(
        "def fails(*_):\n    raise RuntimeError\nclass A:\n    fails = fails\nnumber = 3\n"
    )
    function = find_named("code_of_a_user:fails", "the loss")
    assert find_named("code_of_a_user:A.fails", "the loss") is function
    assert find_named("code_of_a_user:number", "the loss") == 3


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("plain_name", "the loss 'plain_name' is not understood: write pkg.mod:callable"),
        ("math:", "is not understood"),
        (":tau", "is not understood"),
        ("no_such_module:fn", "the loss 'no_such_module:fn' can't be found: No module named 'no_such_module'"),
        ("math:no_such_name", "can't be found: .*no_such_name"),
    ],
)
def test_what_names_nothing_is_refused_with_what_it_was_for(spec, said):
    with pytest.raises(ConfigError, match=said):
        find_named(spec, "the loss")


def test_a_colon_tells_code_from_a_name_in_a_registry():
    assert names_code("pkg.mod:fn")
    assert not names_code("cross_entropy")


def test_the_users_line_is_the_innermost_that_is_not_torchs():
    with pytest.raises(RuntimeError) as raised:
        torch.stack([torch.zeros(2), torch.zeros(3)]).sum()  # the line meant
    assert users_line(raised.value).startswith(__file__)
    assert "# the line meant" in users_line(raised.value)
    assert users_line(ValueError("never raised")) == ""


BROKEN = {
    "an error": (
        "raise RuntimeError('no device')",
        r"imported: RuntimeError: no device, at \S+broken_code\.py:1",
    ),
    "bad syntax": ("def f(:", "can't be imported: SyntaxError"),
    "a missing package": ("import no_such_package", "can't be found: No module named 'no_such_package'"),
    "a script": ("import sys; sys.exit(2)", "SystemExit: 2; keep what runs a script behind `if __name__"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_can_not_be_imported_is_one_line_with_its_place(tmp_path, monkeypatch, text, said):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_code", raising=False)
    (tmp_path / "broken_code.py").write_text(text)
    with pytest.raises(ConfigError, match=said):
        find_named("broken_code:model", "the model")


def test_what_is_typed_already_is_passed_on():
    with pytest.raises(ConfigError, match=r"^mine$"), failures_told("the model"):
        raise ConfigError("mine")
