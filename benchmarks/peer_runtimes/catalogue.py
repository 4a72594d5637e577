"""Every runtime that is compared, by the name it goes by on the command line."""

from __future__ import annotations

from benchmarks.peer_runtimes.executorch_program import load_executorch
from benchmarks.peer_runtimes.rdpass_bundle import load_rdpass
from rdpass.profiling.runtimes import catalogue
from rdpass.profiling.runtimes.catalogue import OURS, Loader

PEERS: dict[str, Loader] = {**catalogue.PEERS, "executorch": load_executorch}
RUNTIMES: dict[str, Loader] = {OURS: load_rdpass, **PEERS}
