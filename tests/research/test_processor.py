"""Tables of two processors stand apart, so a line has to tell which one it is of."""

from pathlib import Path

from benchmarks.research.processor import processor_name

XEON = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)  Gold 6130 CPU @ 2.10GHz\nprocessor\t: 1\nmodel name\t: other\n"


def test_the_name_is_the_first_ones_without_trade_marks(tmp_path):
    (tmp_path / "cpuinfo").write_text(XEON)
    assert processor_name(tmp_path / "cpuinfo") == "Intel Xeon Gold 6130 CPU @ 2.10GHz"


def test_where_linux_does_not_tell_there_is_a_name_all_the_same(tmp_path):
    (tmp_path / "cpuinfo").write_text("CPU part\t: 0xd08\n")  # as on Arm
    assert processor_name(tmp_path / "cpuinfo")
    assert processor_name(Path(tmp_path / "missing"))
