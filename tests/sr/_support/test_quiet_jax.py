"""Messages about a missing driver are held back, and nothing else."""

import os

import pytest

from subpixel.sr._support.quiet_jax import without_messages

DRIVER = b"I0000 00:00:1.0  1 cudart_stub.cc:31] Could not find cuda drivers on your machine\n"
INIT = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"


def test_only_the_messages_of_the_plugin_are_left_out(capfd):
    with without_messages():
        os.write(2, INIT + DRIVER + b"libtpu: a fault\n" + DRIVER)
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "libtpu: a fault\n"


def failing_import():
    with without_messages():
        os.write(2, DRIVER + b"a reason\n")
        raise ImportError("no jaxlib")


def test_a_failing_import_shows_what_was_written(capfd):
    with pytest.raises(ImportError, match="no jaxlib"):
        failing_import()
    assert capfd.readouterr().err == "a reason\n"
