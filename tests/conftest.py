"""What every test may ask for."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def x64() -> Iterator[None]:
    """Lets JAX keep float64 while a test runs."""
    with jax.enable_x64(True):
        yield
