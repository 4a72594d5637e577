"""Elements of drawings as text: whatever comes from a model is escaped."""

from xml.etree import ElementTree

import torch
from torch import nn

from rdpass.inspection import inspect
from rdpass.report.drawing import svg
from tests.inspected import SVG


def test_names_that_are_markup_do_not_break_a_drawing_or_a_table(tmp_path, capsys):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict({"[bold]<&>\x07": nn.Conv2d(3, 3, 3, 1, 1)})

        def forward(self, x):
            return self.layers["[bold]<&>\x07"](x) + x

    Odd.__name__ = "<Odd & 'co'>"
    from rdpass.cli.forecast_tables import print_plan

    found = inspect(Odd(), torch.randn(1, 3, 8, 8), svg=tmp_path / "odd.svg")
    ElementTree.parse(tmp_path / "odd.svg")
    print_plan(found)
    assert "[bold]<&>" in capsys.readouterr().out


def test_attributes_are_quoted_and_numbers_short():
    drawn = svg.element("rect", x=1.0, y=0.25, stroke_width=2.04, class_="a\"b'<", fill="#fff")
    parsed = ElementTree.fromstring(drawn)
    assert parsed.attrib == {"x": "1", "y": "0.2", "stroke-width": "2", "class": "a\"b'<", "fill": "#fff"}


def test_text_and_titles_are_escaped_and_have_no_control_characters():
    for drawn in (svg.text(0, 0, "a<b>&\x00\x1b"), svg.title("a<b>&\x00\x1b")):
        assert ElementTree.fromstring(drawn).text == "a<b>&\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    assert ElementTree.fromstring(svg.title("two\nlines")).text == "two\nlines"


def test_elements_lie_in_one_another_and_an_empty_one_is_closed():
    assert svg.group(svg.element("line"), svg.element("rect"), id="g") == '<g id="g"><line/><rect/></g>'
    assert svg.element("line", x1=3) == '<line x1="3"/>'


def test_a_document_is_a_file_of_its_own_with_a_label():
    root = ElementTree.fromstring(svg.document(100, 50.5, ".a{}", svg.element("rect"), label="a & b").encode())
    assert root.tag == f"{SVG}svg"
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("100", "50.5", "0 0 100 50.5")
    assert root.find(f"{SVG}title").text == "a & b"
    assert root.find(f"{SVG}style").text == ".a{}"
