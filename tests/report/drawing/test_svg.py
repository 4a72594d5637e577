"""Elements of drawings as text: whatever comes from a model is escaped."""

from xml.etree import ElementTree

import torch
from torch import nn

from rdpass.inspection import inspect


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
