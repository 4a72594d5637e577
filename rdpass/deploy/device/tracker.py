"""Query a TVM tracker with a time limit: TVM's own client waits as long as it takes."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from tvm.rpc import base

from rdpass.core.errors import ConfigError, DeviceError

PATIENCE = 10.0
"""Seconds that a tracker has to answer."""


@dataclass(frozen=True)
class Tracker:
    """Address of a tracker that lends boards, and the key of those wanted."""

    host: str
    port: int
    key: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_tracker(address: str, key: str) -> Tracker:
    """
    Raises:
        ConfigError: ``address`` is not HOST:PORT.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ConfigError(f"{address!r} is not HOST:PORT")
    return Tracker(host.strip("[]"), int(port), key)


def count_servers(tracker: Tracker, patience: float = PATIENCE) -> int:
    """Count the servers with the key that are connected, busy or free.

    Raises:
        DeviceError: the tracker can't be reached, does not answer in time, or is none.
    """
    summary = _ask(tracker, patience)
    return sum(str(server.get("key")) == f"server:{tracker.key}" for server in summary.get("server_info", ()))


def check_servers(tracker: Tracker) -> int:
    """As ``count_servers``, but none is an error.

    Raises:
        DeviceError: no server with the key is there, or the tracker can't say.
    """
    count = count_servers(tracker)
    if not count:
        raise DeviceError(
            f"the tracker at {tracker} has no server with the key {tracker.key!r}; on the board:"
            f" python -m tvm.exec.rpc_server --host 127.0.0.1 --tracker HOST:PORT --key {tracker.key}"
        )
    return count


def _ask(tracker: Tracker, patience: float) -> dict[str, Any]:
    try:
        with socket.create_connection((tracker.host, tracker.port), timeout=patience) as connection:
            connection.sendall(struct.pack("<i", base.RPC_TRACKER_MAGIC))
            (magic,) = struct.unpack("<i", base.recvall(connection, 4))
            if magic != base.RPC_TRACKER_MAGIC:
                raise DeviceError(f"what answers at {tracker} is no TVM tracker")
            base.sendjson(connection, [int(base.TrackerCode.SUMMARY)])
            code, summary = base.recvjson(connection)
    except TimeoutError as error:
        raise DeviceError(f"the tracker at {tracker} did not answer within {patience:g} s") from error
    except OSError as error:
        raise DeviceError(f"the tracker at {tracker} can't be reached: {error.strerror or error}") from error
    except (ValueError, TypeError, struct.error) as error:
        raise DeviceError(f"what answers at {tracker} is no TVM tracker") from error
    if code != base.TrackerCode.SUCCESS or not isinstance(summary, dict):
        raise DeviceError(f"the tracker at {tracker} refused to list its servers")
    return summary
