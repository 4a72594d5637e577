"""A table as a workload: one operation a byte, the same words whatever the type."""

from dataclasses import replace

from rdpass.core.numeric_types import INT8, INT32, UINT8, NumericTypes
from rdpass.kernels.workload.lookup import Lookup

WORK = Lookup(2, 20, 21, NumericTypes(INT8, INT8, INT32, INT8))


def test_every_byte_is_one_operation():
    assert WORK.operations == 2 * 20 * 21
    assert WORK.describe() == "table 20 21 pixels"


def test_tables_of_other_types_are_other_workloads():
    other = replace(WORK, types=NumericTypes(UINT8, INT8, INT32, UINT8))
    assert other != WORK
    assert hash(replace(WORK)) == hash(WORK)
    assert not WORK.epilogue.add
