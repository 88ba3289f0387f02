"""The upsampler of a vocoder in Flax Linen: only the import of its layers changes.

    python examples/vocoder_linen.py [WIDTH ROUNDS]

The generator has the transposed convolutions of HiFi-GAN V1 (arXiv 2010.05646; strides of 8, 8, 2
and 2, kernels twice as long), each followed by one residual block. It turns a mel spectrogram into
a waveform with Flax's layer and with ours, from the same parameters, and prints the largest
difference and the times of forward pass and gradients; on two busy CPU cores:

    waveform (2, 8192), largest difference 1.6e-07
    flax     forward and gradients     69.6 ms
    subpixel forward and gradients     18.0 ms
"""

import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

import subpixel.linen

STRIDES = (8, 8, 2, 2)


class Vocoder(linen.Module):
    """(n, frames, 80) -> (n, 256 * frames): log-mel frames to samples."""

    width: int
    upsampler: Any = linen.ConvTranspose  # or subpixel.linen.ConvTranspose

    @linen.compact
    def __call__(self, mel: jax.Array) -> jax.Array:
        x = linen.Conv(self.width, (7,))(mel)
        for index, stride in enumerate(STRIDES):
            channels = self.width // 2 ** (index + 1)
            # The name keeps the parameters' paths, whichever class it is.
            up = self.upsampler(channels, (2 * stride,), (stride,), name=f"up{index}")
            x = up(linen.leaky_relu(x, 0.1))
            for dilation in (1, 3):
                y = linen.Conv(channels, (3,), kernel_dilation=dilation)(linen.leaky_relu(x, 0.1))
                x = x + y
        return jnp.tanh(linen.Conv(1, (7,))(linen.leaky_relu(x)))[..., 0]


def main() -> None:
    width, rounds = map(int, sys.argv[1:] or (128, 15))
    mel = jax.random.normal(jax.random.key(0), (2, 32, 80))
    models = {
        "flax": Vocoder(width),
        "subpixel": Vocoder(width, subpixel.linen.ConvTranspose),
    }
    params = models["flax"].init(jax.random.key(1), mel)
    waves = {name: jax.jit(model.apply)(params, mel) for name, model in models.items()}
    difference = jnp.abs(waves["flax"] - waves["subpixel"]).max()
    print(f"waveform {waves['flax'].shape}, largest difference {difference:.1e}")

    def loss(model: Vocoder):
        return jax.jit(
            jax.grad(lambda params: jnp.square(jnp.asarray(model.apply(params, mel))).mean())
        )

    functions = {name: loss(model) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function(params))
            times[name].append(1e3 * (time.perf_counter() - start))
    for name, each in times.items():  # the first round compiles
        print(f"{name:8} forward and gradients {statistics.median(each[1:]):8.1f} ms")


if __name__ == "__main__":
    main()
