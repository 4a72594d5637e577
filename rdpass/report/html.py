"""Pages as one HTML file without anything from elsewhere, from templates that extend ``base.html.jinja``."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

FRAME = "rdpass.report"


def render(package: str, template: str, facts: dict[str, Any]) -> str:
    """The page of a template in ``package``. Whatever is not ``Markup`` is text there, without control letters."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader(FRAME, "")]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible,
    )  # fmt: skip
    script = files(FRAME).joinpath("filter.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals.update(script=Markup(script), script_digest=f"sha256-{digest}")
    return environment.get_template(template).render(facts).lstrip()


def _visible(value: object) -> object:
    """Text without what a reader can't see, and may be misled by: control letters and marks that turn its direction."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in value
    )
