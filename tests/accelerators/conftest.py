"""Targets to compile for. Without their compilers, or outside `.ci/accelerators`, tests skip."""

import os

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.packages import VARIABLES, check_packages
from subpixel.sr.compile.targets import Target, find_target


def compilable(name: str) -> Target:
    """Returns a target, or skips the test if programs cannot be compiled for it here."""
    target = find_target(name)
    try:
        check_packages(target.platform)
    except InputError as error:
        pytest.skip(str(error))
    unset = [key for key, value in VARIABLES.items() if os.environ.get(key) != value]
    if unset:
        pytest.skip(f"{', '.join(unset)} must be set before JAX is imported, as .ci/accelerators")
    return target


@pytest.fixture(scope="session")
def h100() -> Target:
    return compilable("h100")


@pytest.fixture(scope="session")
def v5e() -> Target:
    return compilable("v5e")


@pytest.fixture(scope="session")
def h100s() -> Target:
    """Sixteen of them, on two machines."""
    return compilable("h100:16")


@pytest.fixture(scope="session")
def v5es() -> Target:
    """Sixteen chips."""
    return compilable("v5e:4x4")
