"""Times each pass of each convolution of a network alone, beside a plain product of that shape.

    python benchmarks/layer_passes.py --network espcn --batch 16 --patch-size 32

The table says how far a training step is from the speed of the processor's matrix products. Each
row is the faster of YNNPACK and Eigen, XLA's libraries of convolutions on a CPU.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from networks import CONFIGS, NetworkName
from rich.console import Console

from subpixel.sr.cli._run import run_command
from subpixel.sr.comparison.measure import time_interleaved
from subpixel.sr.models.layers import Layer
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.step import compiler_options

HEAD = ("convolution", "pass", "GFLOP", "ms", "library", "GFLOP/s", "plain product, GFLOP/s")
PASSES = ("forward", "gradient of the kernel", "gradient of the input")


@dataclass(frozen=True)
class Options:
    """Times the passes of a network's convolutions."""

    network: NetworkName = "espcn"
    """Network at x3, with the upsampler subpixel."""
    batch: int = 16
    """Number of patches."""
    patch_size: int = 32
    """Height and width of a patch, in low-resolution pixels."""
    rounds: int = 15
    """Number of timed calls of each pass."""


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the convolution with stride 1 and zero padding: (n, h, w, i) -> (n, h, w, o)."""
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=axes)


def passes(x: jax.Array, kernel: jax.Array) -> dict[str, tuple[Callable[..., Any], Any]]:
    """Returns the three passes of a convolution, each with its arguments."""
    cotangent = convolve(x, kernel)
    return {
        "forward": (convolve, (x, kernel)),
        "gradient of the kernel": (
            lambda x, kernel, y: jax.vjp(partial(convolve, x), kernel)[1](y)[0],
            (x, kernel, cotangent),
        ),
        "gradient of the input": (
            lambda x, kernel, y: jax.vjp(lambda x: convolve(x, kernel), x)[1](y)[0],
            (x, kernel, cotangent),
        ),
    }


def compiled(
    function: Callable[..., Any], arguments: Any, **options: str | bool
) -> Callable[[], Any]:
    """Returns a call of the compiled function."""
    return partial(jax.jit(function).lower(*arguments).compile(options or None), *arguments)


def measure(layer: Layer, options: Options) -> list[str]:
    """Returns the rows of one convolution, as Markdown.

    The product of the forward pass multiplies (pixels, kernel * i) by (kernel * i, o), which are
    read from memory as they are.
    """
    *sizes, inputs, outputs = layer.kernel
    shape = (options.batch, options.patch_size, options.patch_size, inputs)
    x = jax.random.normal(jax.random.key(0), shape)
    kernel = jax.random.normal(jax.random.key(1), layer.kernel)
    eigen = compiler_options(OptimizerConfig(cpu_convolutions="eigen"), run_platform())
    pixels, taps = math.prod(shape[:3]), math.prod(sizes) * inputs
    dense = (jnp.ones((pixels, taps)), jnp.ones((taps, outputs)))
    libraries: dict[str, dict[str, str | bool]] = {"YNNPACK": {}, "Eigen": eigen}
    calls = {"product": compiled(jnp.dot, dense)} | {
        f"{name}, {library}": compiled(function, arguments, **flags)
        for name, (function, arguments) in passes(x, kernel).items()
        for library, flags in libraries.items()
    }
    times = time_interleaved(calls, options.rounds, repeat=4)
    gflop = 2 * pixels * taps * outputs / 1e9
    product = gflop / times["product"].median * 1e3
    rows = []
    # The gradient of the image itself is never computed.
    for name in PASSES[:2] if inputs == 1 else PASSES:
        ms, library = min((times[f"{name}, {each}"].median, each) for each in libraries)
        speeds = (f"{speed:.0f}" for speed in (gflop / ms * 1e3, product))
        convolution = f"{'x'.join(map(str, sizes))}, {inputs} to {outputs}"
        rows.append(row(convolution, name, f"{gflop:.2f}", f"{ms:.2f}", library, *speeds))
    return rows


def row(*cells: str) -> str:
    """Returns a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main() -> int:
    options = tyro.cli(Options)
    config = CONFIGS[options.network](scale=3)
    console = Console(soft_wrap=True)
    console.print(row(*HEAD))
    console.print(row(*("---" for _ in HEAD)))
    measured: dict[tuple[int, ...], list[str]] = {}
    for layer in config.layers("subpixel"):
        # The upsampler subpixel is a convolution too. Layers of one shape are measured once.
        if len(layer.kernel) == 4 and layer.kernel not in measured:
            measured[layer.kernel] = measure(layer, options)
            console.print("\n".join(measured[layer.kernel]))
    return 0


if __name__ == "__main__":
    run_command(main)
