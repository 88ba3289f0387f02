"""A parser of XLA's text form of an optimised program (HLO)."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"(?:calls|to_apply|body|true_computation|false_computation)=%([\w.\-]+)")
_BRANCHES = re.compile(r"(?:branch_computations|called_computations)=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')

_BYTES = {
    "pred": 1, "s4": 0.5, "u4": 0.5, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2,
    "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """An array's type: its dtype in HLO's spelling, and its sizes."""

    dtype: str
    sizes: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.sizes)

    @property
    def nbytes(self) -> int:
        return round(self.elements * _BYTES.get(self.dtype, 0))


@dataclass(frozen=True)
class Instruction:
    """One operation of a program.

    `name` and `shapes` are those of its result, `operands` the names of the instructions that it
    reads, `attributes` the rest of its line.
    """

    name: str
    shapes: tuple[Shape, ...]
    opcode: str
    operands: tuple[str, ...]
    attributes: str

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the computations that it runs or applies."""
        branches = _BRANCHES.search(self.attributes)
        listed = _NAME.findall(branches[1]) if branches else []
        return (*_CALLED.findall(self.attributes), *listed)

    @property
    def trips(self) -> int:
        """Number of times that a loop runs its body; 1 where the program does not state it."""
        found = _TRIPS.search(self.attributes)
        return int(found[1]) if found else 1

    @property
    def taps(self) -> int:
        """The number of pixels in the window of a convolution."""
        found = re.search(r"window=\{size=([\dx]+)", self.attributes)
        return math.prod(map(int, found[1].split("x"))) if found else 1

    @property
    def kernel_axes(self) -> str:
        """The axes of a convolution's kernel, such as 01io."""
        found = re.search(r"dim_labels=\w+_(\w+)->", self.attributes)
        if found is None:
            raise ValueError(f"the instruction {self.name} has no dim_labels")
        return found[1]


@dataclass(frozen=True)
class Module:
    """A program: its computations, each a mapping from names to instructions in their order."""

    computations: dict[str, dict[str, Instruction]]
    entry: str

    @cached_property
    def executed(self) -> tuple[tuple[Instruction, str, int], ...]:
        """Every instruction that a run executes, its computation, and how many times.

        The instructions inside a fusion are part of the fusion. Every branch of a condition is
        listed, once.
        """
        return tuple(self._walk(self.entry, 1))

    def _walk(self, computation: str, times: int) -> Iterator[tuple[Instruction, str, int]]:
        for instruction in self.computations[computation].values():
            yield instruction, computation, times
            if instruction.opcode in ("while", "conditional", "call", "async-start"):
                for name in instruction.called:
                    yield from self._walk(name, times * instruction.trips)

    def inside(self, instruction: Instruction) -> Iterator[tuple[Instruction, str]]:
        """The instructions of a fusion, those of the fusions inside it too, and their computations.

        For any other instruction there are none.
        """
        if instruction.opcode != "fusion":
            return
        for name in instruction.called:
            for inner in self.computations[name].values():
                yield inner, name
                yield from self.inside(inner)


def parse(text: str) -> Module:
    """Reads the text of a compiled program, as from ``jax.stages.Compiled.as_text``.

    Raises:
      ValueError: if the text has no entry computation.
    """
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        found = _COMPUTATION.match(line)
        if found and not line.startswith("HloModule"):
            current = computations.setdefault(found[2], {})
            entry = found[2] if found[1] else entry
        elif current is not None and (found := _INSTRUCTION.match(line)):
            current[found[1]] = _instruction(found[1], found[2])
    if not entry:
        raise ValueError("the text of the program has no ENTRY computation")
    return Module(computations, entry)


def _instruction(name: str, rest: str) -> Instruction:
    """Reads what follows the equals sign: type, opcode, operands in parentheses, attributes."""
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    start = rest.index("(", end)
    stop = _closing(rest, start)
    shapes = tuple(
        Shape(dtype, tuple(map(int, sizes.split(","))) if sizes else ())
        for dtype, sizes in _ARRAY.findall(rest[:end])
    )
    operands = tuple(_NAME.findall(rest[start:stop]))
    return Instruction(name, shapes, rest[end:start].strip(), operands, rest[stop + 1 :])


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise ValueError(f"a parenthesis is not closed in {text[start : start + 80]!r}")
