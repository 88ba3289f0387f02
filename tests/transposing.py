"""Data and helpers of the tests of the transposed convolution."""

import functools
from typing import get_args

import jax
import numpy as np

import subpixel
from subpixel.ops.conv_transpose import Method

METHODS = get_args(Method)
ours = functools.partial(subpixel.conv_transpose, method="im2col")

X = np.random.default_rng(1).standard_normal((2, 4, 3, 2)).astype(np.float32)
W = np.random.default_rng(2).standard_normal((3, 4, 2, 3)).astype(np.float32)
ARGS = ((2, 2), "SAME")


def relative_error(actual, expected):
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    if not expected.size:
        return 0.0
    scale = max(float(np.abs(expected).max()), 1e-30)
    return float(np.abs(np.asarray(actual) - np.asarray(expected)).max()) / scale


def everything(function, x, w, cotangent, **keywords):
    """The output and both gradients."""
    y, pullback = jax.vjp(lambda x, w: function(x, w, **keywords), x, w)
    return y, *pullback(cotangent)
