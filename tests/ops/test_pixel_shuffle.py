"""Pixel shuffle against loops, dm_pix and PyTorch, and its inverse."""

import math

import dm_pix
import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subpixel import pixel_shuffle, pixel_unshuffle

ORDERS = pytest.mark.parametrize("order", ["dcr", "crd"])


@st.composite
def geometries(draw):
    """A low-resolution shape of any number of batch axes, and the scale of each spatial axis."""
    scales = draw(
        st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda r: math.prod(r) > 1)
    )
    batch = draw(st.lists(st.integers(1, 2), max_size=2))
    sizes = [draw(st.integers(1, 3)) for _ in scales]
    channels = draw(st.integers(1, 3))
    return (*batch, *sizes, math.prod(scales) * channels), tuple(scales)


def numbers(*shape):
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


@settings(max_examples=20, deadline=None)
@given(geometry=geometries(), order=st.sampled_from(["dcr", "crd"]))
def test_shuffle_is_what_the_loops_compute_and_unshuffle_its_inverse(geometry, order):
    shape, scales = geometry
    x = numbers(*shape)
    y = pixel_shuffle(jnp.asarray(x), scales, order=order)
    np.testing.assert_array_equal(y, loops.shuffle(x, scales, order))
    np.testing.assert_array_equal(pixel_unshuffle(y, scales, order=order), x)
    # The other way round: any image is the shuffle of its phases.
    image = numbers(*y.shape)
    low = pixel_unshuffle(jnp.asarray(image), scales, order=order)
    np.testing.assert_array_equal(loops.shuffle(np.asarray(low), scales, order), image)


@pytest.mark.parametrize("scale", [2, 3])
def test_dcr_is_dm_pix(scale):
    x = jnp.asarray(numbers(2, 4, 3, scale**2 * 3))
    y = pixel_shuffle(x, scale, order="dcr")
    np.testing.assert_array_equal(y, dm_pix.depth_to_space(x, scale))
    np.testing.assert_array_equal(pixel_unshuffle(y, scale), dm_pix.space_to_depth(y, scale))


@pytest.mark.parametrize("scale", [2, 3])
def test_crd_is_pytorch(scale):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to compare with")
    x = numbers(2, 4, 3, scale**2 * 3)
    y = torch.nn.functional.pixel_shuffle(torch.tensor(x.tolist()).permute(0, 3, 1, 2), scale)
    ours = pixel_shuffle(jnp.asarray(x), scale, order="crd")
    np.testing.assert_array_equal(ours, y.permute(0, 2, 3, 1).tolist())
    back = torch.nn.functional.pixel_unshuffle(y, scale).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(pixel_unshuffle(ours, scale, order="crd"), back.tolist())


@ORDERS
def test_the_gradient_is_the_inverse_with_one_number_as_scale_and_under_jit(order):
    x, cotangent = numbers(2, 3, 2, 8).astype(np.float32), numbers(2, 6, 4, 2).astype(np.float32)
    y, pull = jax.vjp(jax.jit(lambda x: pixel_shuffle(x, 2, order=order)), x)
    np.testing.assert_array_equal(y, loops.shuffle(x, (2, 2), order))
    np.testing.assert_array_equal(pull(cotangent)[0], pixel_unshuffle(cotangent, 2, order=order))


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("function", [pixel_shuffle, pixel_unshuffle])
@pytest.mark.parametrize(
    ("shape", "scale", "error", "message"),
    [
        ((1, 6, 6, 36), 1, ValueError, "scale must be at least 2; got 1"),
        ((1, 6, 6, 36), -2, ValueError, "scale must be at least 2; got -2"),
        ((1, 6, 6, 36), (1, 1), ValueError, r"scale must be at least 2; got \(1, 1\)"),
        ((1, 6, 6, 36), (0, 2), ValueError, r"scale must be at least 2; got \(0, 2\)"),
        ((1, 6, 6, 36), 2.5, TypeError, "scale must be a whole number.*got 2.5"),
        ((1, 6, 6, 36), "3", TypeError, "scale must be a whole number.*got '3'"),
        ((1, 6, 6, 36), (2, "3"), TypeError, r"scale must be a whole number.*got \(2, '3'\)"),
        ((4, 36), 2, ValueError, r"shape \(4, 36\) and a scale of 2 leave 0 spatial axes"),
        ((36,), (2,), ValueError, r"shape \(36,\) and a scale of \(2,\) leave 1 spatial axes"),
        ((1, 2, 2, 2, 2, 36), 2, ValueError, "leave 4 spatial axes.*must be 1, 2 or 3"),
    ],
)
def test_errors(function, shape, scale, error, message):
    with pytest.raises(error, match=message):
        function(jnp.zeros(shape), scale)


@pytest.mark.parametrize(
    ("function", "shape", "order", "message"),
    [
        (pixel_shuffle, (1, 2, 2, 4), "cdr", r'order must be "dcr".*"crd".*got \'cdr\''),
        (pixel_unshuffle, (1, 2, 2, 4), "cdr", r'order must be "dcr".*"crd".*got \'cdr\''),
        (pixel_shuffle, (1, 2, 2, 10), "dcr", r"10 channels .* \(2, 2\).* multiple of 4"),
        (pixel_unshuffle, (1, 4, 5, 1), "dcr", r"of \(4, 5\).*scale of \(2, 2\): crop or pad"),
    ],
)
def test_orders_and_shapes_that_do_not_fit_are_refused(function, shape, order, message):
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros(shape), 2, order=order)
