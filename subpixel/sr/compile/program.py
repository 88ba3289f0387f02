"""Compiles a function for a target, and keeps what its program needs and does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from subpixel.sr._support.errors import InputError
from subpixel.sr.comparison.measure import compile_anew
from subpixel.sr.compile import hlo, reading
from subpixel.sr.compile.packages import NVCC
from subpixel.sr.compile.targets import Target, devices
from subpixel.sr.training.parallel import AXIS


@dataclass(frozen=True)
class Memory:
    """Bytes on one device, as in `Facts`."""

    arguments: int
    results: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        return self.arguments + self.results + self.temporaries + self.code


@dataclass(frozen=True)
class Program:
    """A compiled program: seconds of tracing and compiling, and the text that XLA prints of it."""

    target: Target
    seconds: float
    memory: Memory
    text: str

    @cached_property
    def module(self) -> hlo.Module:
        return hlo.parse(self.text)

    @cached_property
    def calls(self) -> list[reading.LibraryCall]:
        """The library calls; CUDA only."""
        return reading.library_calls(self.module)

    @property
    def cycles(self) -> int:
        """The TPU compiler's estimate of the whole program; 0 on CUDA."""
        return sum(reading.estimated_cycles(self.module).values())


class TooLargeError(Exception):
    """The compiler refuses a program that needs more bytes than the device has."""

    def __init__(self, needed: int):
        super().__init__(f"the program needs {needed} bytes")
        self.needed = needed


def target_mesh(target: Target) -> Mesh | None:
    """Returns the mesh of all devices of a target, as `parallel.data_mesh`; None for one device."""
    if target.size == 1:
        return None
    return Mesh(np.array(devices(target)), (AXIS,), axis_types=(AxisType.Auto,))


def placed(tree: Any, target: Target, mesh: Mesh | None, *, divided: bool = False) -> Any:
    """Returns the shapes of arrays, placed on a target's mesh, or its first device without one.

    They are replicated over the mesh, or divided along their first axis.
    """
    where = Mesh(np.array(devices(target)[:1]), (AXIS,)) if mesh is None else mesh
    sharding = NamedSharding(where, PartitionSpec(AXIS) if divided else PartitionSpec())
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def compile_for(target: Target, function: Callable[..., Any], *arguments: Any) -> Program:
    """Compiles a function of arrays, given as such or by shapes and dtypes, for one device.

    Raises:
      TooLargeError, InputError: as `compile_lowered`.
    """
    shapes = placed(arguments, target, None)
    # A new function has no trace yet, so the time is that of a first call.
    return compile_lowered(target, lambda: jax.jit(lambda *each: function(*each)).lower(*shapes))


def compile_lowered(
    target: Target,
    lower: Callable[[], jax.stages.Lowered],
    options: Mapping[str, str | bool] | None = None,
) -> Program:
    """Compiles a program whose arguments are placed on the devices of a target.

    Raises:
      TooLargeError: if the compiler refuses the program for its memory.
      InputError: if the assembler is too old for the target.
    """
    try:
        compiled, seconds = compile_anew(lower, options)
    except jax.errors.JaxRuntimeError as error:
        needed = needed_bytes(str(error))
        if needed is not None:
            raise TooLargeError(needed) from error
        if "ptxas too old" in str(error):
            raise InputError(
                f"the ptxas of this machine does not know {target.kind}: pip install {NVCC}"
            ) from error
        raise
    analysis = compiled.memory_analysis()
    if analysis is None:
        raise RuntimeError(f"XLA states no memory of a program for {target.name}")
    memory = Memory(
        arguments=analysis.argument_size_in_bytes,
        results=analysis.output_size_in_bytes - analysis.alias_size_in_bytes,
        temporaries=analysis.temp_size_in_bytes,
        code=analysis.generated_code_size_in_bytes,
    )
    return Program(target, seconds, memory, compiled.as_text() or "")


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def needed_bytes(message: str) -> int | None:
    """Returns the memory that a refused program needs, from the TPU compiler's message, or None.

    Example:
      >>> needed_bytes("RESOURCE_EXHAUSTED: ... Used 17.50G of 15.75G hbm. Exceeded ...") / 2**30
      17.5
    """
    if "RESOURCE_EXHAUSTED" not in message:
        return None
    for form in (r"Used ([\d.]+)([KMGT]?) of [\d.]+[KMGT]? hbm", r"\(([\d.]+)([KMGT]?)\) exceeds"):
        found = re.search(form, message)
        if found:
            return round(float(found[1]) * _UNITS[found[2]])
    return None
