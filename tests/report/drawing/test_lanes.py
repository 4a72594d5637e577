"""Lanes: shared by wires that do not overlap."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from rdpass.report.drawing.lanes import Wire, lanes


def test_lanes_are_shared_by_wires_that_do_not_overlap():
    wires = [Wire("a", 0, (5,), ()), Wire("b", 1, (3,), ()), Wire("c", 3, (), (9,)), Wire("d", 5, (7,), ())]
    found = lanes(wires)
    assert len(set(found.values())) == 2
    assert found["a"] != found["b"]
    assert found["c"] == found["b"]


def overlapping(wires):
    return max(sum(wire.row < at <= wire.last for wire in wires) for at in range(60))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(2, 20), st.booleans()), max_size=25))
def test_no_lane_is_shared_by_two_that_overlap_and_there_are_as_few_as_can_be(places):
    wires = [
        Wire(f"b{index}", row, () if short else (row + length,), (row + length,) if short else ())
        for index, (row, length, short) in enumerate(places)
    ]
    found = lanes(wires)
    assert found.keys() == {wire.buffer for wire in wires}
    for a, b in combinations(wires, 2):
        if max(a.row, b.row) < min(a.last, b.last):
            assert found[a.buffer] != found[b.buffer]
    assert len(set(found.values())) == (overlapping(wires) if wires else 0)
    assert set(found.values()) == set(range(len(set(found.values()))))


def test_a_wire_ends_at_its_last_reader_of_either_kind():
    assert Wire("a", 0, (3, 9), (5,)).last == 9
    assert Wire("a", 0, (), (5,)).last == 5
