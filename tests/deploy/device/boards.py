"""A Raspberry Pi 4, by what it says about itself."""

from __future__ import annotations

from dataclasses import replace

from rdpass.deploy.device.facts import BoardFacts, read_facts

PI = {
    "machine": ["aarch64"],
    "kernel": ["Linux 6.1.21-v8+"],
    "bits": ["64"],
    "glibc": ["glibc 2.36"],
    "libstdcxx": ["/usr/lib/aarch64-linux-gnu/libstdc++.so.6.0.30"],
    "cores": ["4"],
    "part": ["0xd08"],
    "features": ["fp asimd evtstrm crc32 cpuid"],
    "board": ["Raspberry Pi 4 Model B Rev 1.4"],
    "governor": ["ondemand"],
    "memory": ["3301232 kB"],
    "load": ["0.04"],
    "throttled": ["throttled=0x0"],
    "folder": ["/tmp"],
    "disk": ["/dev/root 30358488 4310420 24773912 15% /"],
    "executable": ["yes"],
    "end": [""],
}


def pi(**changes: object) -> BoardFacts:
    return replace(read_facts(PI), **changes)  # type: ignore[arg-type]
