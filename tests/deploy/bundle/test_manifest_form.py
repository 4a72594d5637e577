"""A manifest is an input as any: each field of its type and within bounds, each name plain and listed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.manifest_form import _FIELDS, check_form


@pytest.fixture
def body(host_bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((host_bundle.folder / "manifest.json").read_text())
    return found


def test_what_is_built_is_of_the_form(body: dict[str, Any], aot_bundle: Bundle, board_bundle: Bundle) -> None:
    check_form(body)
    for bundle in (aot_bundle, board_bundle):
        check_form(json.loads((bundle.folder / "manifest.json").read_text()))
    assert {*_FIELDS, "plan"} == body.keys() - {"sha256"}
    check_form({key: value for key, value in body.items() if key != "plan"})  # as earlier versions wrote it


@pytest.mark.parametrize("name", sorted(_FIELDS))
def test_no_field_may_be_missing_or_of_another_type(body: dict[str, Any], name: str) -> None:
    for other in (None, 1.5, -1, True, "\x1b[2J" * 9999, [1], {"a": 1}, [None], [[]], {"": None}):
        if name == "tuning" and isinstance(other, dict):
            continue
        with pytest.raises(ValueError, match=name):
            check_form({**body, name: other})
    with pytest.raises(ValueError, match=name):
        check_form({key: value for key, value in body.items() if key != name})


DIGEST = "0" * 64


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../../x", "/x", ".x", "lib/.x", "a//b", "a/b/c", "a b", "a\nb", "a\0b", "é", "", "a/", "-x"],
)
def test_names_of_files_are_plain(body: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match="files"):
        check_form({**body, "files": {**body["files"], name: DIGEST}})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda body: body["files"].update(run="0" * 63), "files"),
        (lambda body: body["files"].update(run="G" * 64), "files"),
        (lambda body: body.update(library="lib/libtvm_ffi.so"), "library"),
        (lambda body: body.update(library="other.so"), "'other.so' is used and not listed"),
        (lambda body: body["golden"].update(inputs=["golden/none.npy"]), "is used and not listed"),
        (lambda body: body["golden"].update(inputs=[]), "not one for each"),
        (lambda body: body["golden"].update(tolerance=math.inf), "golden"),
        (lambda body: body["golden"].update(tolerance=10**400), "golden"),
        (lambda body: body["inputs"][0].update(shape=[1 << 40, 1 << 40]), "inputs"),
        (lambda body: body["inputs"][0].update(shape=[1] * 99), "inputs"),
        (lambda body: body["inputs"][0].update(dtype="object"), "inputs"),
        (lambda body: body["target"].update(triple=7), "target"),
        (lambda body: body["target"].update(features=[None]), "target"),
        (lambda body: body.update(planned_activation_bytes=10**30), "planned_activation_bytes"),
        (lambda body: body.update(runtime="python"), "runtime"),
        (lambda body: body.update(plan=None), "plan"),
        (lambda body: body.update(plan=[]), "plan"),
        (lambda body: body["plan"].update(bytes=-1), "plan"),
        (lambda body: body["plan"]["calls"][0].update(function=7), "plan"),
        (lambda body: body["plan"]["calls"][0].update(operations=1.5), "plan"),
        (lambda body: body["plan"]["maps"][0].update(kind="<b>"), "plan"),
        (lambda body: body["plan"]["maps"][0].update(last=99), "plan"),
        (lambda body: body["plan"]["maps"][0].update(first=2, last=1), "plan"),
        (lambda body: body["plan"]["maps"][0].update(offset=body["plan"]["bytes"]), "plan"),
    ],
)
def test_what_is_out_of_bounds_or_does_not_fit_together_is_named(
    body: dict[str, Any], spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    spoil(body)
    with pytest.raises(ValueError, match=reason):
        check_form(body)
