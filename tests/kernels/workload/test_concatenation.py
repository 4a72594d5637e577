"""Parts behind one another: where each begins, and what is computed of them."""

from rdpass.kernels.workload.concatenation import Concatenation

WORK = Concatenation(2, (20, 16, 3), 21, (True, False, True))


def test_every_part_begins_where_the_one_before_ends():
    assert WORK.channels == 39
    assert WORK.firsts == (0, 20, 36)


def test_bytes_on_another_scale_are_one_operation_each_and_copies_none():
    assert WORK.operations == 2 * 23 * 21
    assert WORK.describe() == "concatenation 20+16+3 21 pixels"
