"""One compiled program in numbers: what it needs and does on one device of its target."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from subpixel.sr.compile import reading
from subpixel.sr.compile.program import Program, TooLargeError
from subpixel.sr.compile.targets import Target


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What `--json` writes of a program; all of it on one device.

    Attributes:
      subject: what is compiled, such as the upsampler's name.
      program: "step" or "forward" of a network; "forward" or "gradients" of a convolution.
      memory: of the device, in bytes.
      needed: bytes of arguments, results, temporaries and code.
      compile_s: seconds of tracing and compiling; None if the compiler refuses the program for its
        memory, and then only `needed` is known.
      results: bytes of the results, beside those that take the place of donated arguments.
      code: bytes of the program itself, where the compiler states them.
      useful: multiply-adds with a pixel, in convolutions.
      calls: on CUDA, library calls by kind: {"count": ..., "multiply_adds": ...}.
      zero_inserted: on CUDA, shapes of arrays with inserted zeros.
      cycles: on a TPU, the compiler's estimate, by what the cycles are spent on.
      collectives: by kind: {"count": ..., "bytes": ...}.
    """

    target: str
    devices: int
    subject: dict[str, str]
    program: str
    memory: int
    needed: int
    useful: int
    compile_s: float | None = None
    arguments: int = 0
    results: int = 0
    temporaries: int = 0
    code: int = 0
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    zero_inserted: list[list[int]] = field(default_factory=list)
    cycles: dict[str, int] = field(default_factory=dict)
    collectives: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def excess(self) -> int:
        """Bytes that the program needs beyond the memory of the device; 0 if it fits."""
        return max(0, self.needed - self.memory)


def collect(
    target: Target,
    subject: dict[str, str],
    program: str,
    useful: int,
    make: Callable[[], Program],
) -> Facts:
    """Compiles a program and reads it; arguments: `Facts`, and `make`, which compiles."""
    common: dict[str, Any] = {
        "target": target.name,
        "devices": target.size,
        "subject": subject,
        "program": program,
        "memory": target.memory,
        "useful": useful,
    }
    try:
        compiled = make()
    except TooLargeError as error:
        return Facts(**common, needed=error.needed)
    found: dict[str, Any] = {}
    if target.platform == "cuda":
        calls = found["calls"] = {}
        for call in compiled.calls:
            known = calls.setdefault(call.kind, {"count": 0, "multiply_adds": 0})
            known["count"] += call.times
            known["multiply_adds"] += call.times * call.multiply_adds
        inserted = reading.zero_insertions(compiled.module)
        found["zero_inserted"] = [list(shape.sizes) for shape in inserted]
    else:
        found["cycles"] = dict(reading.estimated_cycles(compiled.module).most_common())
    found["collectives"] = {
        kind: {"count": count, "bytes": size}
        for kind, (count, size) in reading.collectives(compiled.module).items()
    }
    memory = compiled.memory
    return Facts(**common, needed=memory.total, compile_s=compiled.seconds, **vars(memory), **found)
