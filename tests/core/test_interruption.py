"""Signals during long work: taken up at once outside a shielded block, after it inside, and never forgotten."""

import os
import signal
import threading

import pytest

from rdpass.core.interruption import TERMINATED, Interruption

NUMBERS = pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)


@pytest.fixture(autouse=True)
def handlers():
    """They are what they were when all is over."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def send(number):
    os.kill(os.getpid(), number)


@NUMBERS
def test_outside_a_shielded_block_a_signal_unwinds_at_once(number, error):
    steps = []

    def work():
        with Interruption():
            steps.append(1)
            send(number)
            steps.append(2)

    with pytest.raises(error) as caught:
        work()
    assert steps == [1]
    assert number == signal.SIGINT or caught.value.code == TERMINATED == 143


@NUMBERS
def test_inside_one_the_block_is_finished_first(number, error):
    steps = []

    def work():
        with Interruption() as interruption:
            with interruption.shield():
                send(number)
                steps.append(1)
            steps.append(2)

    with pytest.raises(error):
        work()
    assert steps == [1]


@NUMBERS
def test_a_second_signal_does_not_wait(number, error):
    steps = []

    def work():
        with Interruption() as interruption, interruption.shield():
            send(signal.SIGINT)
            steps.append(1)
            send(number)
            steps.append(2)

    with pytest.raises(error):
        work()
    assert steps == [1]


@NUMBERS
def test_where_it_is_deferred_the_signal_is_only_noted(number, error):
    with Interruption(deferred=True) as interruption:
        with interruption.shield():
            send(number)
        assert interruption.pending == number
        assert not interruption.shielded


def test_without_a_signal_nothing_happens_and_an_error_of_the_work_passes_through():
    with Interruption() as interruption, interruption.shield():
        pass
    assert interruption.pending == 0
    with pytest.raises(ValueError, match="the work's"), Interruption():
        raise ValueError("the work's")


def test_in_another_thread_the_handlers_are_left_alone():
    seen = []

    def work():
        with Interruption():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
