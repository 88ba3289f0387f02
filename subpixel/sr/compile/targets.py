"""What a program can be compiled for without owning it: TPU topologies and NVIDIA GPUs."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from jax.errors import JaxRuntimeError
from jax.experimental import topologies

from subpixel.sr._support.errors import InputError

GPUS: Mapping[str, Any] = json.loads(Path(__file__).with_name("gpus.json").read_text())

# A host of a GPU cluster has eight at most.
_GPUS_OF_HOST = 8


# Of each generation of TPUs: axes of the topology; GiB of a device, as far as libtpu 0.0.42.1 lets
# a program use it, stated when it refuses a larger one; devices that JAX sees of one chip.
TPUS = {
    "v4": (3, 30.75, 1),
    "v5e": (2, 15.75, 1),
    "v5p": (3, 95.74, 1),
    "v6e": (2, 31.25, 1),
    "tpu7x": (3, 94.75, 2),
}

# The largest topology: 256 chips, which compile here within minutes.
MAX_CHIPS = 256


@dataclass(frozen=True)
class Target:
    """What a program is compiled for: "h100:16" is 16 chips of the kind "h100" on "cuda".

    `topology` is the number of chips along each axis, `memory` the bytes of one device.
    """

    name: str
    platform: str
    kind: str
    topology: tuple[int, ...]
    memory: int

    @property
    def size(self) -> int:
        """Number of devices, as JAX counts them."""
        each = TPUS[self.kind][2] if self.platform == "tpu" else 1
        return math.prod(self.topology) * each


def find_target(name: str) -> Target:
    """Returns the target of a name.

    A GPU's name may be followed by a number of them, "h100:16". A TPU's is followed by its
    topology, "v5e:4x4"; alone it is one chip.

    Raises:
      InputError: if there is no such target; the message names the nearest.

    Example:
      >>> find_target("v5e:4x4").size
      16
    """
    kind, _, layout = name.partition(":")
    if kind not in TPUS and kind not in GPUS["gpus"]:
        known = [*GPUS["gpus"], *TPUS]
        nearest = get_close_matches(kind.lower(), known, n=1, cutoff=0.0)[0]
        raise InputError(
            f"unknown target {name!r}: the nearest is {nearest}; the targets are "
            f"{', '.join(GPUS['gpus'])}, alone or with their number, such as h100:8, and the TPUs "
            f"{', '.join(TPUS)} with their topology, such as v5e:4x4"
        )
    if kind in TPUS:
        return _tpu(name, kind, layout)
    count = int(layout or 1) if re.fullmatch(r"[1-9]\d*", layout) or name == kind else 0
    if not 0 < count <= MAX_CHIPS or (count > _GPUS_OF_HOST and count % _GPUS_OF_HOST):
        raise InputError(
            f"target {name!r}: a GPU is followed by their number, 1 to {_GPUS_OF_HOST}, which one "
            f"machine holds, or a multiple of {_GPUS_OF_HOST} up to {MAX_CHIPS}, such as {kind}:8"
        )
    return Target(name, "cuda", kind, (count,), GPUS["gpus"][kind]["device_memory_size"])


def _tpu(name: str, kind: str, layout: str) -> Target:
    axes, gib, _ = TPUS[kind]
    sizes = re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", layout)
    topology = tuple(map(int, layout.split("x"))) if sizes else (1,) * axes
    one = math.prod(topology) == 1
    # A host holds 2x2 chips.
    divides = one or not any(n % host for n, host in zip(topology, (2, 2, 1), strict=False))
    fits = len(topology) == axes and math.prod(topology) <= MAX_CHIPS
    if not (sizes or name == kind) or not divides or not fits:
        raise InputError(
            f"target {name!r}: a TPU {kind} is followed by its topology of {axes} axes, the first "
            f"two even or, for one chip, all 1, and of at most {MAX_CHIPS} chips, such as "
            f"{kind}:{'x'.join('4' * axes)}"
        )
    return Target(name, "tpu", kind, topology, round(gib * 2**30))


@cache
def devices(target: Target) -> Sequence[Any]:
    """Returns the devices of a target, for which programs can be compiled but not run.

    The variables of `packages.VARIABLES` must be set before JAX is imported.

    Raises:
      InputError: if libtpu does not know the topology.
    """
    if target.platform == "cuda":
        (count,) = target.topology
        hosts = -(-count // _GPUS_OF_HOST)
        return topologies.get_topology_desc(
            platform="cuda",
            topology_name="",
            topology=f"1x{hosts}x{count // hosts}",
            target_config=gpu_config(target.kind),
        ).devices
    # One chip is less than a host has by default. A v4 chip is one device of two cores in JAX.
    options: dict[str, Any] = {}
    if math.prod(target.topology) == 1:
        options["chips_per_host_bounds"] = (1, 1, 1)
    if target.kind == "v4":
        options["chip_config_name"] = "megacore"
    name = f"{target.kind}:{'x'.join(map(str, target.topology))}"
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name, **options).devices
    except JaxRuntimeError as error:
        message = str(error).partition("\n")[0]
        raise InputError(f"target {target.name!r} is no topology of libtpu: {message}") from error


def gpu_config(kind: str) -> str:
    """Returns XLA's description of a GPU, a GpuTargetConfigProto in text form."""
    facts = {**GPUS["all"], **GPUS["gpus"][kind]}
    name = facts.pop("name")
    major, minor = facts.pop("compute_capability")
    device = "\n".join(f"  {key}: {value}" for key, value in facts.items())
    capability = f"cuda_compute_capability {{ major: {major} minor: {minor} }}"
    # The version of cuDNN only decides which of its functions XLA may use.
    return (
        f"gpu_device_info {{\n{device}\n  {capability}\n}}\n"
        'platform_name: "CUDA"\n'
        "dnn_version_info { major: 9 minor: 10 patch: 0 }\n"
        f'device_description_str: "{name}"\n'
    )
