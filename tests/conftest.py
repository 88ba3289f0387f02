"""Fixtures of all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import jaxtyping
import pytest
from versions import enable_x64


def pytest_configure(config: pytest.Config) -> None:
    """Keeps compiled programs in pytest's cache folder, for all workers and subprocesses.

    `pytest --cache-clear` empties the folder.
    """
    if not hasattr(config, "cache"):  # pytest -p no:cacheprovider
        return
    settings = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("compilations")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    for name, value in settings.items():
        os.environ.setdefault(name.upper(), str(value))
        jax.config.update(name, type(value)(os.environ[name.upper()]))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps decoded images out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUBPIXEL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def unoptimized() -> Iterator[None]:
    """Compiles quickly, for modules that test values: not memory, programs or equality of bits."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def x64() -> Iterator[None]:
    """Lets JAX keep float64 while a test runs."""
    with enable_x64(True):
        yield


@pytest.fixture
def without_shape_checks() -> Iterator[None]:
    """Lets bad shapes reach the library's own messages, as outside the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of data sets, for tests on real images."""
    if "SUBPIXEL_DATA" not in os.environ:
        pytest.skip("SUBPIXEL_DATA is not set: it names the folder with Set5, T91, ...")
    return Path(os.environ["SUBPIXEL_DATA"])


@pytest.fixture(scope="session")
def vectors(data_root: Path) -> Path:
    """MATLAB's own outputs, in the folder `vectors` beside the data sets."""
    folder = data_root.parent / "vectors"
    if not folder.is_dir():
        pytest.skip(f"{folder} with MATLAB's outputs is not there")
    return folder
