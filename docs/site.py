"""Hooks of MkDocs: what the site has beside the pages of docs/.

1. Pages at the top of the repository (README, CHANGELOG, …) become pages of the site.
2. Links between pages follow; a link to a source file becomes its text.
3. The references of the command line and of Python are written from the program itself.
4. An ``Example:`` of a docstring is shown as code.
5. What GitHub reads as a list or a cell of a table, Python-Markdown reads too.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
}
"""Pages outside of docs/, and where the site has them."""

FILLED = "This page is filled in when the site is built (`make docs`)."
_KINDS = {"int": "number", "float": "number", "Path": "path"}
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:)([^)\s#]*)(#[^)\s]+)?\)")
_LIST_AFTER_TEXT = re.compile(r"^(?![*\-|#>\s]|\d+\. )(.+)\n(?=(?:\* |- |1\. ))", re.M)
_PIPE_IN_CODE = re.compile(r"`[^`\n]*\\\|[^`\n]*`")


class Examples(Extension):  # type: ignore[misc]
    """Griffe's name for a section of code is the plural."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)


def on_files(files: Any, config: Any) -> Any:
    for source, place in TOP.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    place = page.file.src_uri
    source = next((source for source, known in TOP.items() if known == place), f"docs/{place}")
    if place == "reference/cli.md":
        markdown = markdown.replace("<!-- commands -->", "\n".join(command_line())).replace(FILLED, "")
    if place == "reference/api.md":
        markdown = markdown.replace("<!-- names -->", "\n".join(public_names())).replace(FILLED, "")
    return outside_fences(markdown, lambda text: as_markdown(relinked(text, source, place)))


def outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    """The page with its text changed, and its blocks of code as they are, known by their language alone."""
    blocks = [*(re.sub(r"^```(\w+) .*", r"```\1", block) for block in _FENCED.findall(markdown)), ""]
    return "".join(change(text) + block for text, block in zip(_FENCED.split(markdown), blocks, strict=True))


def relinked(text: str, source: str, place: str) -> str:
    """``text`` of the file ``source`` with the links that it needs as the page ``place`` of the site."""

    def link(found: re.Match[str]) -> str:
        mark, label, path, anchor = found.groups()
        if not path:
            return found[0]
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if wanted in TOP:
            target = TOP[wanted]
        elif wanted.startswith("docs/"):
            target = wanted.removeprefix("docs/")
        else:
            return label
        relative = posixpath.relpath(target, posixpath.dirname(place) or ".")
        return f"{mark}[{label}]({relative}{anchor or ''})"

    return _LINK.sub(link, text)


def as_markdown(text: str) -> str:
    """The same for Python-Markdown: a list after a line of text, and a pipe in a cell's code."""
    text = _LIST_AFTER_TEXT.sub(r"\1\n\n", text)
    return _PIPE_IN_CODE.sub(lambda code: code[0].replace("\\|", "|"), text)


def public_names() -> Iterator[str]:
    """Each public name as mkdocstrings is to show it: functions first, then classes."""
    tree = ast.parse((ROOT / "rdpass/__init__.py").read_text())
    homes = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME"
    )
    yield from (
        f"::: rdpass.{homes[name]}.{name}\n" for name in sorted(homes, key=lambda name: (name[0].isupper(), name))
    )
    yield "::: rdpass.registry\n"


def command_line() -> Iterator[str]:
    """Each command with its help, its arguments and its options."""
    from typer.main import get_command

    from rdpass.cli.app import app

    yield from _commands(get_command(app), "rdpass")


def _commands(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is not None:
        for child, each in children.items():
            yield from _commands(each, f"{name} {child}")
        return
    yield f"\n## {name}\n\n{_paragraphs(command.help or '')}\n"
    yield "| argument or option | | |\n|---|---|---|"
    for parameter in command.params:
        if "--help" not in parameter.opts:
            yield f"| {_names(parameter)} | {_value(parameter)} | {_cell(getattr(parameter, 'help', '') or '')} |"


def _paragraphs(text: str) -> str:
    return re.sub(r"^( *)Example: (.+)$", r"\n    \2", text.strip(), flags=re.M)


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _value(parameter: Any) -> str:
    """What an option takes, whether it has to be given, and what it is if it is not."""
    if getattr(parameter, "is_flag", False) or parameter.param_type_name == "argument":
        return "required" if parameter.required else ""
    default = getattr(parameter.default, "value", parameter.default)
    shown = f", default `{default}`" if isinstance(default, str | int | float) else ""
    return f"{_kind(parameter)}{', required' if parameter.required else ''}{shown}"


def _kind(parameter: Any) -> str:
    wanted = parameter.type_descriptor.annotation
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return ", ".join(f"`{choice.value}`" for choice in wanted)
    return {"str": "text", "int": "number", "float": "number", "Path": "path"}.get(
        getattr(wanted, "__name__", ""), "text"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
