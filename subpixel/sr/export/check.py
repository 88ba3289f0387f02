"""Compares an exported model with its network before the file is written."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32

from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.models import Network

# (n, h, w): one pixel, a line, odd sizes, several images.
SIZES = ((1, 1, 1), (1, 1, 19), (2, 7, 5), (1, 33, 48), (1, 64, 96))

# Both compute in float32; they sum in different orders.
TOLERANCE = 2e-5


def check_onnx(
    model: bytes, network: Network, sizes: Sequence[tuple[int, int, int]] = SIZES
) -> float:
    """Runs an ONNX model and the network on random images of sizes (n, h, w).

    Returns:
      The largest difference, relative to the largest output where that is over 1.

    Raises:
      InputError: if ONNX Runtime is not installed.
      RuntimeError: if they differ by more than rounding.
    """
    exported = OnnxNetwork(model)
    return _compare(exported, network, exported.uint8, sizes)


def check_stablehlo(program: bytes, network: Network) -> float:
    """Runs a program of `jax.export` and the network on random images, as `check_onnx` does."""
    exported = jax.export.deserialize(bytearray(program))
    with jax.default_matmul_precision("highest"):
        return _compare(lambda x: np.asarray(exported.call(x)), network, False)


def run_network(
    network: Network, x: Float[np.ndarray, "n h w c"]
) -> Float32[np.ndarray, "n {network.scale}*h {network.scale}*w c"]:
    """Runs a network in JAX with full float32 products on every device."""
    with jax.default_matmul_precision("highest"):
        return np.asarray(network(jnp.asarray(x)), np.float32)


def _compare(
    exported: Callable[[np.ndarray], np.ndarray],
    network: Network,
    uint8: bool,
    sizes: Sequence[tuple[int, int, int]] = SIZES,
) -> float:
    rng = np.random.default_rng(0)
    worst = 0.0
    for size in sizes:
        pixels = rng.integers(0, 256, (*size, network.channels), np.uint8)
        x = pixels.astype(np.float32) / np.float32(255)
        y = run_network(network, x)
        if uint8:
            difference = _beyond_rounding(exported(pixels), y)
        else:
            difference = float(np.abs(exported(x) - y).max()) / max(1.0, float(np.abs(y).max()))
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"the exported model differs from the network by {difference:.1e} on an input of "
                f"the shape {x.shape}, and rounding explains {TOLERANCE:.0e}: no file is written"
            )
        worst = max(worst, difference)
    return worst


def _beyond_rounding(found: np.ndarray, y: np.ndarray) -> float:
    """Returns the smallest change, in 0..1, after which the output would round to `found`."""
    levels = np.clip(y.astype(np.float64) * 255, 0, 255)
    return float(np.maximum(np.abs(found - levels) - 0.5, 0).max()) / 255
