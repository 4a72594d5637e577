"""The few SVG elements a drawing is made of, as text. Numbers are pixels; whatever comes from a model is escaped."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

Attribute = str | float


def element(name: str, *children: str, **attributes: Attribute) -> str:
    """``<name …>children</name>``; underscores in attributes stand for hyphens, a trailing one is dropped."""
    listed = "".join(f" {key.rstrip('_').replace('_', '-')}={_quoted(value)}" for key, value in attributes.items())
    return f"<{name}{listed}>{''.join(children)}</{name}>" if children else f"<{name}{listed}/>"


def text(x: float, y: float, words: str, **attributes: Attribute) -> str:
    """Words with their baseline at (x, y)."""
    return element("text", escape(_printable(words)), x=x, y=y, **attributes)


def title(words: str) -> str:
    """The text that a viewer shows when the pointer rests on the enclosing element."""
    return element("title", escape(_printable(words)))


def group(*children: str, **attributes: Attribute) -> str:
    """Elements that share attributes, or a tooltip."""
    return element("g", *children, **attributes)


def document(width: float, height: float, style: str, *children: str, label: str) -> str:
    """A whole file, white behind everything; ``style`` may make that another colour."""
    background = element("rect", width="100%", height="100%", fill="#ffffff", class_="background")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + element(
            "svg", title(label), element("style", escape(style)), background, *children,
            xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_number(width)} {_number(height)}",
            width=width, height=height, role="img", class_="network",
        )
        + "\n"
    )  # fmt: skip


def _quoted(value: Attribute) -> str:
    return quoteattr(_printable(value) if isinstance(value, str) else _number(value))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _printable(words: str) -> str:
    """XML 1.0 knows no control characters."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in words
    )
