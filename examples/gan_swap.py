"""Swaps the transposed convolutions of a Flax GAN generator, in place, and times both.

    python examples/gan_swap.py [WIDTH ROUNDS]

The generator has the layers of DCGAN (arXiv 1511.06434): four transposed convolutions of 5x5 with
strides of 2. It prints, on two busy CPU cores:

    replaced: ups.0, ups.1, ups.2, ups.3
    largest difference of the images: 9.1e-07
    flax     forward and gradients    743.7 ms
    subpixel forward and gradients     70.2 ms
    ratio 10.6
"""

import statistics
import sys
import time
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from subpixel.nnx import swap_conv_transpose


class Generator(nnx.Module):
    """(n, 100) -> (n, 64, 64, 3), with `nnx.ConvTranspose` as any Flax model has it."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        sizes = [8 * width, 4 * width, 2 * width, width, 3]
        self.project = nnx.Linear(100, 16 * sizes[0], rngs=rngs)
        self.ups = nnx.List(
            nnx.ConvTranspose(a, b, (5, 5), (2, 2), rngs=rngs) for a, b in pairwise(sizes)
        )
        self.norms = nnx.List(nnx.BatchNorm(size, rngs=rngs) for size in sizes[1:-1])

    def __call__(self, z: jax.Array) -> jax.Array:
        x = nnx.relu(self.project(z)).reshape(len(z), 4, 4, -1)
        for up, norm in zip(self.ups, self.norms, strict=False):
            x = nnx.relu(norm(up(x)))
        return jnp.tanh(self.ups[-1](x))


@nnx.jit
def gradients(model: Generator, z: jax.Array) -> nnx.State:
    return nnx.grad(lambda model: (model(z) ** 2).mean())(model)


def milliseconds(model: Generator, z: jax.Array) -> float:
    start = time.perf_counter()
    jax.block_until_ready(gradients(model, z))
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    width, rounds = map(int, sys.argv[1:] or (32, 15))
    flax = Generator(width, rngs=nnx.Rngs(0))
    ours = nnx.clone(flax)
    swapped = swap_conv_transpose(ours)  # the whole change
    print("replaced:", ", ".join(swapped))

    z = jax.random.normal(jax.random.key(1), (16, 100))
    print(f"largest difference of the images: {jnp.abs(flax(z) - ours(z)).max():.1e}")

    times: dict[str, list[float]] = {"flax": [], "subpixel": []}
    # One after the other, so that a busy minute slows both. The first round compiles.
    for _ in range(rounds + 1):
        for name, model in (("flax", flax), ("subpixel", ours)):
            times[name].append(milliseconds(model, z))
    medians = {name: statistics.median(each[1:]) for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:8} forward and gradients {median:8.1f} ms")
    print(f"ratio {medians['flax'] / medians['subpixel']:.1f}")


if __name__ == "__main__":
    main()
