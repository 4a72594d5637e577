"""torchvision beside a torch that it was not built for: names without code, once, and nothing where it imports."""

import builtins
import sys

import pytest
import torch

from rdpass.capture import torchvision_import
from rdpass.capture.torchvision_import import NAMES, beside_torchvision, prepare_torchvision


@pytest.fixture
def importing(monkeypatch):
    """Importing torchvision raises what it is told; the names that were defined."""
    defined, error = [], [None]
    ordinary = builtins.__import__

    class Library:
        def __init__(self, name, kind):
            defined.append((name, kind))

        def define(self, signature):
            defined.append(signature)

    def answer(name, *arguments, **options):
        if name == "torchvision":
            if error[0] is not None:
                raise error[0]
            return sys
        return ordinary(name, *arguments, **options)

    monkeypatch.setattr(torchvision_import, "_library", None)
    monkeypatch.setattr(torch.library, "Library", Library)
    monkeypatch.setattr(builtins, "__import__", answer)
    return defined, error


def test_missing_operators_are_defined_once(importing):
    defined, error = importing
    error[0] = RuntimeError("operator torchvision::nms does not exist")
    prepare_torchvision()
    prepare_torchvision()
    assert defined[0] == ("torchvision", "FRAGMENT")
    assert [signature.partition("(")[0] for signature in defined[1:]] == list(NAMES)


@pytest.mark.parametrize("error", [None, ImportError("no torchvision"), RuntimeError("something else")])
def test_where_it_imports_is_missing_or_is_broken_otherwise_nothing_is_defined_or_raised(importing, error):
    defined, raised = importing
    raised[0] = error
    prepare_torchvision()
    assert defined == []


def failing_once(error):
    """What a user's module does: the first import of torchvision in it fails."""
    errors = [error]

    def attempt():
        if errors:
            raise errors.pop()
        return "loaded"

    return attempt


def behind_another(error):
    """As transformers tells of it."""
    hidden = ImportError("Could not import module 'ResNetModel'")
    hidden.__cause__ = error
    return hidden


MISSING = RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize("error", [MISSING, behind_another(MISSING)])
def test_code_that_stumbles_over_the_missing_names_is_tried_again_with_them(importing, error):
    defined, raised = importing
    raised[0] = MISSING
    assert beside_torchvision(failing_once(error)) == "loaded"
    assert defined[0] == ("torchvision", "FRAGMENT")


@pytest.mark.parametrize("error", [RuntimeError("something else"), ImportError("no such module")])
def test_code_that_fails_otherwise_is_not_run_again(importing, error):
    defined, raised = importing
    raised[0] = MISSING
    with pytest.raises(type(error)) as told:
        beside_torchvision(failing_once(error))
    assert told.value is error
    assert defined == []
