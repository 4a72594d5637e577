"""Each pair is a row: the two, the one that they became, and multiply-accumulates before and after."""

from rdpass.core.plan import MergedPair
from rdpass.report.merging import pair_rows


def test_a_pair_is_a_row():
    pairs = MergedPair("up", "relu", "down", 4096, 1024), MergedPair("up_1", "relu_1", "down_1", 8, 4)
    assert pair_rows(pairs) == [("up, down", "down", "4.1 k", "1.02 k"), ("up_1, down_1", "down_1", "8", "4")]
