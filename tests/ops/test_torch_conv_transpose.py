"""`subpixel.torch_conv_transpose` against PyTorch itself, on geometries drawn at random."""

import functools

import loops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subpixel

pytestmark = pytest.mark.usefixtures("unoptimized")

X = np.zeros((1, 3, 3, 4), np.float32)
W = np.zeros((4, 2, 3, 3), np.float32)


@st.composite
def geometries(draw):
    ndim = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(ndim))

    groups = draw(st.integers(1, 3))
    inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    sizes, taps = per_axis(1, 4), per_axis(1, 4)
    stride, dilation = per_axis(1, 3), per_axis(1, 3)
    extra = tuple(
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    full = [
        (n - 1) * s + d * (k - 1) + e + 1
        for n, s, d, k, e in zip(sizes, stride, dilation, taps, extra, strict=True)
    ]
    padding = tuple(draw(st.integers(0, min(3, (n - 1) // 2))) for n in full)
    keywords = {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "groups": groups,
        "dilation": dilation,
    }
    x = (draw(st.integers(1, 2)), *sizes, groups * inputs)
    return x, (groups * inputs, outputs, *taps), keywords


@settings(max_examples=60, deadline=None, database=None)
@given(geometries(), st.integers(0, 2**31))
def test_equals_pytorch(geometry, seed):
    torch = pytest.importorskip("torch")
    shape, weight_shape, keywords = geometry
    rng = np.random.default_rng(seed)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in (shape, weight_shape))
    bias = rng.standard_normal(weight_shape[1] * keywords["groups"]).astype(np.float32)
    ndim = len(weight_shape) - 2
    function = getattr(torch.nn.functional, f"conv_transpose{ndim}d")
    expected = function(
        torch.from_numpy(np.moveaxis(x, -1, 1).copy()),
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        **keywords,
    ).numpy()
    function = functools.partial(subpixel.torch_conv_transpose, **keywords)
    actual = loops.jit(function)(x, weight, bias)
    np.testing.assert_allclose(np.moveaxis(actual, -1, 1), expected, rtol=1e-4, atol=1e-5)


def test_numbers_count_for_every_axis_and_batches_are_free():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4, 4)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((4, 2, 3, 3)).astype(np.float32)
    y = subpixel.torch_conv_transpose(x, weight, stride=2, padding=1, output_padding=1)
    assert y.shape == (2, 3, 10, 8, 2)
    single = subpixel.torch_conv_transpose(x[1, 2], weight, None, (2, 2), (1, 1), (1, 1), 1, (1, 1))
    np.testing.assert_allclose(y[1, 2], single, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((X, W[0, 0]), ValueError, r"\(3, 3\) do not fit: the weight must be \(in, out / groups"),
        ((X[..., :2], W), ValueError, "2 channels and the kernel takes 4"),
        ((X, W, None, 2, 0, 2), ValueError, r"output_padding must be smaller .* \(2, 2\)"),
        ((X, W, None, 2, -1), ValueError, r"padding must be at least 0 .* \(-1, -1\)"),
        ((X, W, None, 2.5), TypeError, "stride must be a whole number .* 2.5"),
        ((X, W, None, 0), ValueError, "stride must be at least 1"),
        ((X, W, None, 1, 0, 0, 3), ValueError, "must divide the kernel's inputs; got 3 for 4"),
        ((X, W, None, 1, 3), ValueError, "would be empty"),
    ],
)
def test_errors(arguments, kind, message):
    with pytest.raises(kind, match=message):
        subpixel.torch_conv_transpose(*arguments)
