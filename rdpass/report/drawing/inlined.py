"""A drawing that was stored as a file, as part of a page: nothing but shapes and words gets through."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from rdpass.report.drawing.svg import element

NAMESPACE = "{http://www.w3.org/2000/svg}"
SHAPES = frozenset({"svg", "g", "rect", "line", "path", "circle", "text", "title"})
PLACES = frozenset(
    {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "d", "width", "height", "viewBox", "transform", "class",
     "role", "text-anchor", "stroke-width", "stroke-dasharray"}
)  # fmt: skip
COLOURS = frozenset({"fill", "stroke"})
COLOUR = re.compile(r"#[0-9a-f]{6}|none")


def inlined(drawing: str) -> str:
    """The drawing as an element of a page, without its style sheet: a page has that, and one for all its drawings.

    A file may come from anywhere: what is neither a shape nor words is left out, and so is what could load or run
    something.

    Raises:
        ValueError: it is no SVG.

    Example:
        >>> inlined('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script><g onclick="1"><text>a</text></g></svg>')
        '<svg><g><text>a</text></g></svg>'
    """
    try:
        root = ElementTree.fromstring(drawing)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no SVG ({error})") from error
    if root.tag != f"{NAMESPACE}svg":
        raise ValueError("it is no SVG")
    return _shape(root)


def _shape(found: ElementTree.Element) -> str:
    name = found.tag.removeprefix(NAMESPACE)
    if name not in SHAPES:
        return ""
    kept = {key.replace("-", "_"): value for key, value in found.items() if _is_kept(key, value)}
    if "class" in kept:
        kept["class_"] = kept.pop("class")
    words = escape(found.text or "") if name in ("text", "title") else ""
    return element(name, words, *map(_shape, found), **kept)


def _is_kept(key: str, value: str) -> bool:
    return key in PLACES or (key in COLOURS and COLOUR.fullmatch(value) is not None)
