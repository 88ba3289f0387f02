"""The three passes are those of a convolution, and the table counts their work."""

import jax
import jax.numpy as jnp
import layer_passes as tool
import numpy as np
import pytest


def test_the_passes_are_the_convolution_and_its_gradients():
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
    values = {name: function(*of) for name, (function, of) in tool.passes(x, kernel).items()}
    assert tuple(values) == tool.PASSES

    def loss(x, kernel):
        return jnp.sum(tool.convolve(x, kernel) ** 2) / 2

    by_input, by_kernel = jax.grad(loss, argnums=(0, 1))(x, kernel)
    np.testing.assert_allclose(values["gradient of the input"], by_input, atol=1e-4)
    np.testing.assert_allclose(values["gradient of the kernel"], by_kernel, atol=1e-4)
    # One output pixel, by hand.
    expected = np.einsum("ijc,ijco->o", x[1, 1:4, 2:5], kernel)
    np.testing.assert_allclose(values["forward"][1, 2, 3], expected, atol=1e-5)


def test_a_row_counts_multiplications_and_additions():
    first, second = tool.CONFIGS["espcn"](scale=3).layers("subpixel")[:2]
    rows = tool.measure(first, tool.Options(batch=2, patch_size=8, rounds=1))
    # The image's own gradient is left out.
    assert [row.split(" | ")[1] for row in rows] == list(tool.PASSES[:2])
    rows = tool.measure(second, tool.Options(batch=16, patch_size=32, rounds=1))
    convolution, _, gflop, ms, _, speed, _ = rows[0].strip("| ").split(" | ")
    assert (convolution, gflop) == ("3x3, 64 to 32", f"{2 * 16 * 32 * 32 * 9 * 64 * 32 / 1e9:.2f}")
    assert float(speed) == pytest.approx(float(gflop) / float(ms) * 1e3, rel=0.05)
    assert len(rows) == 3
