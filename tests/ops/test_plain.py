"""`subpixel.ops.plain`: traces that consist of JAX's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental.jet import jet
from transformations import loss
from transposing import METHODS
from upsampling_cases import draw, lax_transposed, transposed
from versions import HAS_USER_CONTEXTS

from subpixel.nnx import SubpixelConv, swap_conv_transpose
from subpixel.ops import plain

X, W = draw(2, 4, 6, 8), draw(4, 4, 8, 3)


def primitives(function, *arguments):
    return str(jax.make_jaxpr(function)(*arguments))


class Generator(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.ConvTranspose(8, 6, (4, 4), (2, 2), rngs=rngs)
        self.last = nnx.ConvTranspose(6, 3, (3, 3), (2, 2), transpose_kernel=True, rngs=rngs)

    def __call__(self, x):
        return jnp.tanh(self.last(nnx.relu(self.first(x))))


@pytest.mark.parametrize("method", METHODS)
def test_values_and_gradients_are_the_same_without_the_primitive(method):
    f = transposed(method=method)
    total = loss(f)
    expected = f(X, W), *jax.grad(total, (0, 1))(X, W)
    with plain():
        assert "subpixel_conv_transpose" not in primitives(jax.grad(total, (0, 1)), X, W)
        actual = f(X, W), *jax.grad(total, (0, 1))(X, W)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not HAS_USER_CONTEXTS, reason="this JAX keeps the first trace of a function")
def test_a_compiled_function_is_traced_again_inside_and_outside():
    f = jax.jit(transposed())
    assert "subpixel_conv_transpose" in primitives(f, X, W)
    with plain():
        assert "subpixel_conv_transpose" not in primitives(f, X, W)
    assert "subpixel_conv_transpose" in primitives(f, X, W)


def test_the_context_ends_with_an_error():
    with pytest.raises(ValueError, match="channels"), plain():
        transposed()(X, W[:, :, :1])
    assert "subpixel_conv_transpose" in primitives(transposed(), X, W)


def test_taylor_mode_works_inside():
    terms = (X, W), ((X + 1, 2 * X), (W, W - 1))
    theirs = jet(lax_transposed, *terms)
    with plain():
        ours = jet(transposed(), *terms)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["a swapped generator", "a sub-pixel layer"])
def test_models_become_onnx_by_jax2onnx(name):
    jax2onnx = pytest.importorskip("jax2onnx", reason="jax2onnx is not installed")
    runtime = pytest.importorskip("onnxruntime")
    if name == "a swapped generator":
        model = Generator(nnx.Rngs(0))
        assert len(swap_conv_transpose(model)) == 2
        x = draw(1, 5, 6, 8)
    else:  # few outputs: its convolution is the primitive's
        model, x = SubpixelConv(64, 2, (3, 3), 3, rngs=nnx.Rngs(0)), draw(1, 5, 6, 64)
    with plain():
        file = jax2onnx.to_onnx(model, [jax.ShapeDtypeStruct(x.shape, "float32")])
    session = runtime.InferenceSession(file.SerializeToString())
    (y,) = session.run(None, {session.get_inputs()[0].name: np.asarray(x, np.float32)})
    np.testing.assert_allclose(y, model(x), rtol=1e-4, atol=1e-5)
