"""A stored drawing on a page: its shapes and words, and nothing that could load or run something."""

from xml.etree import ElementTree

import pytest

from rdpass.report.drawing import svg
from rdpass.report.drawing.inlined import COLOURS, NAMESPACE, PLACES, SHAPES, inlined


def wrapped(inside):
    return svg.document(10, 10, ".a{}", inside, label="a & b")


def test_every_shape_and_attribute_of_a_drawing_gets_through(inspected):
    _, drawn = inspected
    before = [(each.tag.removeprefix(NAMESPACE), dict(each.items()), (each.text or "").strip())
              for each in ElementTree.fromstring(drawn).iter() if not each.tag.endswith("style")]  # fmt: skip
    after = [(each.tag, dict(each.items()), (each.text or "").strip())
             for each in ElementTree.fromstring(inlined(drawn)).iter()]  # fmt: skip
    assert after == before


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>1</script>",
        "<rect onclick='x'/>",
        "<rect style='fill:url(http://a)'/>",
        "<rect fill='url(http://a)'/>",
        "<a href='javascript:x'><text>x</text></a>",
        "<image href='http://a'/>",
        "<foreignObject><b>x</b></foreignObject>",
        "<x:rect xmlns:x='urn:x'/>",
        "<style>x</style>",
    ],
)
def test_what_could_load_or_run_something_is_left_out(hostile):
    root = ElementTree.fromstring(inlined(wrapped(f"<g><text>kept</text>{hostile}</g>")))
    assert {each.tag for each in root.iter()} <= SHAPES
    assert {key for each in root.iter() for key in each.attrib} <= PLACES | COLOURS
    assert not [value for each in root.iter() for value in each.attrib.values() if value == "x" or "http" in value]
    assert next(each.text for each in root.iter("text")) == "kept"


def test_words_are_escaped_again():
    assert "a &amp; b" in inlined(wrapped(svg.text(0, 0, "<i>")))
    assert "&lt;i&gt;" in inlined(wrapped(svg.text(0, 0, "<i>")))


@pytest.mark.parametrize("text", ["", "<svg>", "<html/>", "<svg/>", "no markup"])
def test_what_is_no_svg_is_refused(text):
    with pytest.raises(ValueError, match="it is no SVG"):
        inlined(text)
