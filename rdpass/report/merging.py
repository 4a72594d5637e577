"""What merging pairs of 1x1 convolutions did, in words."""

from __future__ import annotations

from collections.abc import Iterable

from rdpass.core.plan import MergedPair
from rdpass.core.printable import short_count


def pair_rows(pairs: Iterable[MergedPair]) -> list[tuple[str, str, str, str]]:
    """The two convolutions, what they became, and multiply-accumulates before and after.

    Example:
        >>> from rdpass.core.plan import MergedPair
        >>> pair_rows([MergedPair("conv_2", "relu_2", "conv_3", 131072, 16384)])
        [('conv_2, conv_3', 'conv_3', '131 k', '16.4 k')]
    """
    return [
        (f"{pair.first}, {pair.second}", pair.second, short_count(pair.macs), short_count(pair.merged_macs))
        for pair in pairs
    ]
