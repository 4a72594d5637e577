"""Measured tiles, kept in a folder that many may write to and no fault can spoil as a whole.

    tune/rpi4-3f2a….jsonl     a line for each trial on that target, never changed, only added to
    tune/.lock                held while a line is written or a file is repaired

1. ``record`` is what was measured: a tile of a kernel, or a whole network with its tiles, each beside the default.
   ``record_line`` is one as a line, with a ``checksum`` of it.
2. ``lines`` reads a file line by line; what is no intact record is a finding, and the rest goes on being read.
3. ``folder`` adds records: locked, whole lines, synchronised with the disk.
4. ``best`` picks each workload's tile, and ``choice`` says whether a network is built with them.
5. ``repair`` and its ``merge`` make one sound folder of what there is.

There is no index: every record says itself what it belongs to.
"""
