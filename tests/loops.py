"""Upsampling with loops over NumPy arrays: slow, and independent of the library.

The module also has helpers that draw and compare numbers.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

LAYOUTS = ("subpixel", "conv_transpose", "zero_insert")


def jit(function, **options):
    """Compiles without optimisation, which would take longer than the tests of values."""
    quickly = {"xla_backend_optimization_level": 0}
    return jax.jit(function, compiler_options=quickly, **options)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def normal_init(key, shape, dtype=jnp.float32, out_sharding=None):
    """An initializer that draws with NumPy, so that nothing is compiled."""
    del key, out_sharding
    return jnp.asarray(normal(len(shape), *shape), dtype)


def assert_close(actual, expected, tolerance: float) -> None:
    """The largest difference is within `tolerance` of the largest expected value."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape
    error = np.abs(np.asarray(actual, np.float64) - expected).max() / np.abs(expected).max()
    assert error <= tolerance, f"relative error {error:.2e}, of which {tolerance:.0e} is allowed"


def assert_same_tree(actual, expected, tolerance: float) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert_close(a, e, tolerance)


def positions(sizes):
    return itertools.product(*map(range, sizes))


def channel(phase, i, scales, channels, order):
    """The low-resolution channel that holds a phase of output channel i."""
    number = int(np.ravel_multi_index(phase, scales))
    return number * channels + i if order == "dcr" else i * int(np.prod(scales)) + number


def shuffle(x: np.ndarray, scales, order: str) -> np.ndarray:
    """Pixel shuffle of (..., s1, ..., sd, r**d * c)."""
    ndim = len(scales)
    batch, sizes = x.shape[: -ndim - 1], x.shape[-ndim - 1 : -1]
    channels = x.shape[-1] // int(np.prod(scales))
    y = np.zeros((*batch, *(s * r for s, r in zip(sizes, scales, strict=True)), channels), x.dtype)
    for q in positions(sizes):
        for b in positions(scales):
            p = tuple(r * n + m for r, n, m in zip(scales, q, b, strict=True))
            for i in range(channels):
                y[(..., *p, i)] = x[(..., *q, channel(b, i, scales, channels, order))]
    return y


def pads_before(sizes, scales):
    """Returns the number of zeros before the first pixel of the zero-inserted image.

    A "SAME" convolution of k taps has (k - 1) // 2 low-resolution pixels before the first, each
    the last of r positions; the kernel has k*r taps.
    """
    return tuple(r * ((size // r - 1) // 2) + r - 1 for size, r in zip(sizes, scales, strict=True))


def upsample(x, kernel, scales, low, sizes, cotangent=None):
    """Upsamples: every input pixel adds a copy of the kernel to the output, last tap first.

    Args:
      x: shape (n, s1, ..., sd, in).
      kernel: in the layout of zero insertion, (K1, ..., Kd, in, out).
      scales: r of each axis.
      low: zeros before the first pixel in the zero-inserted image, for each axis.
      sizes: of the output.
      cotangent: of the output, for the gradients.

    Returns:
      The output (n, *sizes, out), and with a cotangent also the gradients by x and by the kernel.
    """
    ndim = len(scales)
    y = np.zeros((x.shape[0], *sizes, kernel.shape[-1]))
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    for q in positions(x.shape[1:-1]):
        for t in positions(kernel.shape[:ndim]):
            p = tuple(r * a + b - c for r, a, b, c in zip(scales, q, low, t, strict=True))
            if all(0 <= a < b for a, b in zip(p, sizes, strict=True)):
                here, there = (slice(None), *q), (slice(None), *p)
                y[there] += x[here] @ kernel[t]
                if cotangent is not None:
                    dx[here] += cotangent[there] @ kernel[t].T
                    dkernel[t] += x[here].T @ cotangent[there]
    return y if cotangent is None else (y, dx, dkernel)


def split_kernel(kernel, scales, order="dcr"):
    """Returns the sub-pixel kernel of a zero-insertion kernel."""
    ndim = len(scales)
    *sizes, features_in, features_out = kernel.shape
    low = [size // r for size, r in zip(sizes, scales, strict=True)]
    out = np.zeros((*low, features_in, features_out * int(np.prod(scales))), kernel.dtype)
    for t in positions(low):
        for b in positions(scales):
            tap = tuple(r * n + r - 1 - m for r, n, m in zip(scales, t, b, strict=True))
            for o in range(features_out):
                out[(*t, slice(None), channel(b, o, scales, features_out, order))] = kernel[
                    (*tap, slice(None), o)
                ]
    assert kernel.ndim == ndim + 2
    return out
