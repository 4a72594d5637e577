"""Measured tiles, kept in a folder that many may write to and no fault can spoil as a whole.

    tune/rpi4-3f2a….jsonl     a line for each trial on that target, never changed, only added to
    tune/.lock                held while a line is written or a file is repaired

1. ``record`` is one line: what was measured, and a checksum of it.
2. ``lines`` reads a file line by line; what is no intact record is a finding, and the rest goes on being read.
3. ``folder`` adds records: locked, whole lines, synchronised with the disk.
4. ``best`` picks each workload's tile. ``repair`` and ``merge`` make one sound folder of what there is.

There is no index: every record says itself what it belongs to.
"""
