"""What a compiled program does: library calls and their work, cycles, collectives, zero insertion.

Kinds and counts are read, and not names, which differ between releases of XLA. A convolution of
cuDNN is a custom call, ``__cudnn$convForward`` and so on, or in newer releases a fusion that holds
a convolution with ``convolution_kind=fprop``, ``dgrad`` or ``wgrad``. Both are read alike.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from subpixel.sr.compile.hlo import Instruction, Module, Shape

FORWARD, BACKWARD_INPUT, BACKWARD_FILTER = "convForward", "convBackwardInput", "convBackwardFilter"
MATRIX_PRODUCT = "gemm"
_KINDS = {"fprop": FORWARD, "dgrad": BACKWARD_INPUT, "wgrad": BACKWARD_FILTER}

# Custom calls that are no library call: they mark a place in the program.
_MARKS = ("AllocateBuffer", "Sharding", "SPMD", "AssumeGatherIndicesInBound", "annotate_", "x64")

COLLECTIVES = (
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute",
    "collective-broadcast", "ragged-all-to-all",
)  # fmt: skip
_MOVES = {
    "bitcast", "broadcast", "concatenate", "constant", "convert", "copy", "copy-done", "copy-start",
    "dynamic-slice", "dynamic-update-slice", "get-tuple-element", "iota", "pad", "parameter",
    "reshape", "reverse", "slice", "slice-done", "slice-start", "transpose", "tuple",
}  # fmt: skip


@dataclass(frozen=True)
class LibraryCall:
    """A call of cuDNN, cuBLAS or another library.

    Attributes:
      kind: "convForward", "convBackwardInput", "convBackwardFilter", "gemm", or the name by which
        the program calls another library's function.
      multiply_adds: that it executes, borders and inserted zeros included; 0 for other functions.
      shapes: of its operands and its result.
      times: how often a run calls it.
    """

    kind: str
    multiply_adds: int
    shapes: tuple[Shape, ...]
    times: int = 1


def library_calls(module: Module) -> list[LibraryCall]:
    """Returns the library calls of a CUDA program, in their order."""
    calls = []
    for instruction, computation, times in module.executed:
        for inner, where in [(instruction, computation), *module.inside(instruction)]:
            if inner.opcode not in _READERS:
                continue
            # Those of the operands, then that of the first result.
            known = module.computations[where]
            operands = (known[name].shapes[0] for name in inner.operands)
            shapes = (*operands, *inner.shapes[:1])
            if found := _READERS[inner.opcode](inner, shapes):
                kind, multiply_adds = found
                calls.append(LibraryCall(kind, multiply_adds, shapes, times))
    return calls


def _custom_call(call: Instruction, shapes: tuple[Shape, ...]) -> tuple[str, int] | None:
    found = re.search(r'custom_call_target="([^"]*)"', call.attributes)
    name = found[1] if found else ""
    if any(mark in name for mark in _MARKS):
        return None
    if name.startswith("__cudnn$conv"):
        # It states the convolution whose result or gradient it computes.
        kind = next((kind for kind in (BACKWARD_INPUT, BACKWARD_FILTER) if kind in name), FORWARD)
        output = {FORWARD: shapes[-1], BACKWARD_INPUT: shapes[0], BACKWARD_FILTER: shapes[1]}[kind]
        kernel = shapes[-1] if kind == BACKWARD_FILTER else shapes[1]
        return kind, output.elements * call.taps * kernel.sizes[call.kernel_axes.index("i")]
    if name.startswith("__cublas$"):
        return _product(call, shapes, r'"lhs_contracting_dimensions":\[([^\]]*)\]')
    return name, 0


def _convolution(call: Instruction, shapes: tuple[Shape, ...]) -> tuple[str, int]:
    # It states the computed result itself, gradients too.
    found = re.search(r"convolution_kind=(\w+)", call.attributes)
    kind = _KINDS.get(found[1] if found else "", "convolution")
    left, kernel, result = shapes
    # Of the gradient of the input, a library multiplies no inserted zero.
    output, letter = (left, "o") if kind == BACKWARD_INPUT else (result, "i")
    return kind, output.elements * call.taps * kernel.sizes[call.kernel_axes.index(letter)]


def _product(
    call: Instruction,
    shapes: tuple[Shape, ...],
    axes: str = r"lhs_contracting_dims=\{([\d,]*)\}",
) -> tuple[str, int]:
    found = re.search(axes, call.attributes)
    summed = [shapes[0].sizes[int(axis)] for axis in re.findall(r"\d+", found[1] if found else "")]
    return MATRIX_PRODUCT, shapes[-1].elements * math.prod(summed)


_READERS = {"custom-call": _custom_call, "convolution": _convolution, "dot": _product}


def count_kinds(calls: Iterable[LibraryCall]) -> Counter[str]:
    """Returns how often a run calls each kind."""
    counts: Counter[str] = Counter()
    for call in calls:
        counts[call.kind] += call.times
    return counts


def zero_insertions(module: Module) -> list[Shape]:
    """Returns the shapes of all arrays with inserted zeros: results of pads between elements.

    A pad inside a fusion is listed too, also if the fusion does not keep its result in memory.
    """
    return [
        instruction.shapes[0]
        for computation in module.computations.values()
        for instruction in computation.values()
        if instruction.opcode == "pad"
        and re.search(r"padding=[\d_x\-]*\d_-?\d+_[1-9]", instruction.attributes)
    ]


def estimated_cycles(module: Module) -> Counter[str]:
    """Returns the TPU compiler's own estimate, in cycles, by what they are spent on.

    The kinds are "convolution", "matrix product", "copy" (a change of place or layout, a pad, a
    reversal), "gather or scatter", "collective" and "elementwise or sum". Of a condition, all
    branches are counted; a loop's body counts as often as the program states, else once.
    """
    cycles: Counter[str] = Counter()
    for instruction, _, times in module.executed:
        found = re.search(r'"estimated_cycles":"(\d+)"', instruction.attributes)
        if found:
            cycles[_purpose(module, instruction)] += int(found[1]) * times
    return cycles


def _purpose(module: Module, instruction: Instruction) -> str:
    inside = [instruction, *(inner for inner, _ in module.inside(instruction))]
    opcodes = {inner.opcode for inner in inside} - {"fusion"}
    if opcodes & {"convolution", "dot"}:
        # On a TPU, a matrix product is a convolution without a spatial axis.
        spatial = any(re.search(r"dim_labels=\w*\d", inner.attributes) for inner in inside)
        return "convolution" if spatial else "matrix product"
    if any(opcode.startswith(COLLECTIVES) for opcode in opcodes):
        return "collective"
    if opcodes & {"gather", "scatter"}:
        return "gather or scatter"
    return "copy" if opcodes <= _MOVES else "elementwise or sum"


def collectives(module: Module) -> dict[str, tuple[int, int]]:
    """Returns the number of collectives in a run by kind, and the bytes of their results."""
    found: dict[str, tuple[int, int]] = {}
    for instruction, _, times in module.executed:
        kind = instruction.opcode.removesuffix("-start")
        if kind in COLLECTIVES:
            count, size = found.get(kind, (0, 0))
            size += times * sum(shape.nbytes for shape in instruction.shapes)
            found[kind] = (count + times, size)
    return found
