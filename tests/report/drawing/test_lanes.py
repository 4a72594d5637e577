"""Lanes: shared by wires that do not overlap."""

from rdpass.report.drawing.lanes import Wire, lanes


def test_lanes_are_shared_by_wires_that_do_not_overlap():
    wires = [Wire("a", 0, (5,), ()), Wire("b", 1, (3,), ()), Wire("c", 3, (), (9,)), Wire("d", 5, (7,), ())]
    found = lanes(wires)
    assert len(set(found.values())) == 2
    assert found["a"] != found["b"]
    assert found["c"] == found["b"]
