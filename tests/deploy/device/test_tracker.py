"""A TVM tracker that is asked with a time limit."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tvm.rpc import base

from rdpass.core.errors import ConfigError, DeviceError
from rdpass.deploy.device.tracker import Tracker, check_servers, count_servers, parse_tracker


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[Tracker]:
    """Something at an address that answers one caller."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Tracker("127.0.0.1", server.getsockname()[1], "pi")
        thread.join(5)


def summary(*keys: str, code: int = int(base.TrackerCode.SUCCESS)) -> Callable[[socket.socket], None]:
    """A tracker with servers of those keys."""

    def answer(connection: socket.socket) -> None:
        base.recvall(connection, 4)
        connection.sendall(struct.pack("<i", base.RPC_TRACKER_MAGIC))
        assert base.recvjson(connection) == [int(base.TrackerCode.SUMMARY)]
        base.sendjson(connection, [code, {"server_info": [{"key": f"server:{key}"} for key in keys]}])

    return answer


@pytest.mark.parametrize(("keys", "count"), [((), 0), (("pi",), 1), (("pi", "other", "pi", "pi4"), 2)])
def test_servers_of_the_key_are_counted_and_no_others(keys: tuple[str, ...], count: int) -> None:
    with answering(summary(*keys)) as tracker:
        assert count_servers(tracker, 5) == count


def test_none_is_an_error_that_says_how_to_start_one() -> None:
    with (
        answering(summary("other")) as tracker,
        pytest.raises(DeviceError, match=r"no server with the key 'pi'; on the board: python -m tvm\.exec\.rpc_server"),
    ):
        check_servers(tracker)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "is no TVM tracker"),
        (lambda connection: None, "is no TVM tracker|can't be reached"),
        (summary("pi", code=int(base.TrackerCode.FAIL)), "refused to list its servers"),
    ],
    ids=["another program", "silence and an end", "a refusal"],
)
def test_what_is_no_tracker_or_refuses_is_told(answer: Callable[[socket.socket], None], said: str) -> None:
    with answering(answer) as tracker, pytest.raises(DeviceError, match=said):
        count_servers(tracker, 5)


def test_one_that_never_answers_is_given_up() -> None:
    release = threading.Event()
    with answering(lambda connection: release.wait(5) and None) as tracker:
        with pytest.raises(DeviceError, match=r"did not answer within 0\.2 s"):
            count_servers(tracker, 0.2)
        release.set()


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("board:9190", "board", 9190), ("[::1]:9190", "::1", 9190), ("1.2.3.4:1", "1.2.3.4", 1)],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    assert parse_tracker(address, "pi") == Tracker(host, port, "pi")


@pytest.mark.parametrize("address", ["", "board", ":9190", "board:", "board:port", "board:0", "board:65536"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        parse_tracker(address, "pi")
