"""`subpixel.conv_transpose` against Keras' layers, whose kernels and padding are TensorFlow's."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subpixel

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow


@settings(max_examples=40, deadline=None, database=None)
@given(
    ndim=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
    taps=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_equals_keras(ndim, padding, taps, stride, dilation, seed):
    dilation = dilation if stride == 1 else 1  # Keras refuses both
    layer_type = getattr(keras.layers, f"Conv{ndim}DTranspose")
    layer = layer_type(
        2, taps, strides=stride, padding=padding, dilation_rate=dilation, use_bias=False
    )
    x = np.random.default_rng(seed).standard_normal((2, *[3] * ndim, 3)).astype(np.float32)
    expected = np.asarray(layer(x))
    actual = subpixel.conv_transpose(
        x,
        np.asarray(layer.kernel),
        (stride,) * ndim,
        padding.upper(),
        rhs_dilation=(dilation,) * ndim,
        transpose_kernel=True,
    )
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
