"""Imports JAX without its CUDA plugin's messages that this machine has no driver.

The plugin writes them in C++ when it is imported, before any logging can be configured.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

MESSAGES = (b"cudart_stub.cc", b"All log messages before absl::InitializeLog()")


@contextmanager
def without_messages() -> Iterator[None]:
    """Holds stderr back inside the context, and then writes it without `MESSAGES`."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not any(message in line for message in MESSAGES):
                    os.write(2, line)


with without_messages():
    import jax  # noqa: F401
