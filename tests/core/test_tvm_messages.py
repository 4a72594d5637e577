"""TVM's warnings are held back; all else that is written to stderr meanwhile passes."""

import os
import subprocess

import pytest

from rdpass.core.tvm_messages import without_tvm_lines

NOISE = (
    b"[12:00:00] somewhere.cc:17: Warning: Scope Loaded: constant_1\nWarning: Scope Saving: constant_2\n"
    b"[12:00:00] /project/include/tvm/topi/transform.h:1261: Warning: Fast mode segfaults\n"
)


def test_warnings_are_left_out_and_others_keep_their_order(capfd):
    with without_tvm_lines():
        os.write(2, b"first\n" + NOISE)
        os.write(2, b"second\n")
        subprocess.run(["sh", "-c", "echo third >&2; echo 'Warning: something else' >&2"], check=True)
    os.write(2, b"Warning: Scope Loaded: afterwards\n")
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [
        "first", "second", "third", "Warning: something else", "Warning: Scope Loaded: afterwards",
    ]  # fmt: skip
    assert captured.out == ""


def test_what_was_written_before_an_error_is_told_and_stderr_is_what_it_was(capfd):
    before = os.fstat(2)

    def fail():
        with without_tvm_lines():
            os.write(2, b"told\n" + NOISE + b"no newline")
            raise ValueError("in between")

    with pytest.raises(ValueError, match="in between"):
        fail()
    assert os.fstat(2).st_ino == before.st_ino
    assert capfd.readouterr().err == "told\nno newline"


def test_no_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with without_tvm_lines():
            pass
    assert len(os.listdir("/proc/self/fd")) == before
