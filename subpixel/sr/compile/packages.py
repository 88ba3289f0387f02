"""The packages and the environment variables with which programs for a target are compiled.

Nothing here imports JAX, which reads most of these variables when it is imported.
"""

import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from subpixel.sr._support.errors import InputError

# Without JAX_PLATFORMS, JAX's CUDA plugin refuses to load where there is no driver. libtpu asks the
# cloud for the machine that it runs on, and lets in one process only, unless it is told otherwise.
VARIABLES = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
}

# It holds ptxas and libdevice, and no other library of CUDA. Release 12 is the last for a V100.
NVCC = "nvidia-cuda-nvcc-cu12"
_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")


def check_packages(platform: str) -> None:
    """Checks that the compiler of "cuda" or "tpu" is installed, and fits the installed JAX.

    Raises:
      InputError: naming what is missing, with the command that installs it.
    """
    if platform == "tpu":
        _check_libtpu()
    else:
        _check_cuda()


def _check_libtpu() -> None:
    """Checks libtpu's version against the one that JAX's extra "tpu" names, such as 0.0.42.*."""
    named = [line for line in requires("jax") or [] if re.match(r"libtpu\b.*extra == .tpu.", line)]
    found = re.match(r"libtpu\s*==\s*([\d.]+?)(\.\*)?\s*;", named[0]) if named else None
    remedy = f'pip install "jax[tpu]=={version("jax")}"'
    have = _version("libtpu")
    if have is None:
        raise InputError(f"compiling for a TPU needs the package libtpu: {remedy}")
    if found and have != found[1] and not have.startswith(f"{found[1]}."):
        wanted = found[1] + (found[2] or "")
        raise InputError(
            f"libtpu is {have}, and jax {version('jax')} needs libtpu {wanted}: {remedy}"
        )


def _check_cuda() -> None:
    jaxlib = version("jaxlib")
    remedy = f'pip install "jax[cuda12-local]=={version("jax")}" {NVCC}'
    have = {name: found for name in _PLUGINS if (found := _version(name)) is not None}
    if not have:
        raise InputError(f"compiling for a GPU needs the package {_PLUGINS[0]}: {remedy}")
    for plugin in tuple(have):
        name = plugin.replace("plugin", "pjrt")
        have[name] = _version(name) or "missing"
    for name, found in have.items():
        if found != jaxlib:
            raise InputError(f"{name} is {found}, and jaxlib is {jaxlib}: {remedy}")
    if not _has_assembler():
        raise InputError(f"compiling for a GPU needs NVIDIA's ptxas: {remedy}")


def _has_assembler() -> bool:
    packages = (NVCC, "nvidia-cuda-nvcc")
    return (
        any(_version(name) for name in packages)
        or shutil.which("ptxas") is not None
        or Path("/usr/local/cuda/bin/ptxas").exists()
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
