"""Float32 results and gradients never read memory outside the operands.

XLA's input gradient of `jax.lax.conv_transpose` does, in jaxlib 0.10 on a CPU, where that gradient
is a convolution with a negative padding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from transposing import METHODS, everything

import subpixel

# Geometries for each program: the compilation of a program is most of the time of this test.
CASES = 12


def poison(arrays) -> None:
    """Fills freed blocks of the same sizes with NaN, which a wrong read finds."""
    blocks = [jnp.full(a.size + extra, jnp.nan) for a in arrays for extra in (0, 16, 64)]
    jax.block_until_ready(blocks)
    for block in blocks:
        block.delete()


def draw_geometry(rng):
    """Shapes, strides and a padding that is often negative or beyond the kernel's extent."""
    d = int(rng.integers(1, 3))
    sizes, taps, strides = (tuple(rng.integers(1, 5, d).tolist()) for _ in range(3))
    padding = []
    for size, k, s in zip(sizes, taps, strides, strict=True):
        low = int(rng.integers(-2, 8))
        least = k - 1 - s * (size - 1) - low
        padding.append((low, int(rng.integers(least, least + 8))))
    return (2, *sizes, 2), (*taps, 2, 2), {"strides": strides, "padding": padding}


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
@pytest.mark.usefixtures("x64")
def test_no_method_reads_memory_outside_its_operands(seed):
    rng = np.random.default_rng(seed)
    cases, arrays = [], []
    for _ in range(CASES):
        x, w, options = draw_geometry(rng)
        y = jax.eval_shape(
            lambda x, w, options=options: lax.conv_transpose(x, w, **options),
            *(jax.ShapeDtypeStruct(shape, "float32") for shape in (x, w)),
        )
        cases.append(options)
        arrays.append([rng.standard_normal(shape).astype(np.float32) for shape in (x, w, y.shape)])

    def ours(arrays):
        return [
            [
                everything(subpixel.conv_transpose, *operands, **options, method=method)
                for method in METHODS
            ]
            for options, operands in zip(cases, arrays, strict=True)
        ]

    compiled = jax.jit(ours).lower(arrays).compile()
    for _ in range(3):
        poison([a for operands in arrays for a in operands])
        for options, operands, by_method in zip(cases, arrays, compiled(arrays), strict=True):
            wide = [a.astype(np.float64) for a in operands]
            expected = everything(lax.conv_transpose, *wide, **options)
            for method, actual in zip(METHODS, by_method, strict=True):
                for a, b in zip(actual, expected, strict=True):
                    error = np.abs(np.asarray(a, np.float64) - np.asarray(b)).max()
                    assert error <= 1e-5 * max(np.abs(b).max(), 1), (method, options)


@pytest.mark.parametrize("method", METHODS)
def test_the_example_of_the_documentation(method):
    x, w = np.ones((2, 1, 2, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)

    def f(x):
        padding = [(5, 0), (3, 2)]
        return subpixel.conv_transpose(
            x, w, (2, 3), padding, transpose_kernel=True, method=method
        ).sum()

    poison([x, w])
    np.testing.assert_array_equal(jax.jit(jax.grad(f))(x), np.full(x.shape, 3))
