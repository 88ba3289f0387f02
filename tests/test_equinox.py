"""`subpixel.equinox.conv_transpose` against the layers of Equinox, field by field."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subpixel.equinox import conv_transpose

pytestmark = pytest.mark.usefixtures("unoptimized")

eqx = pytest.importorskip("equinox")

PADDINGS = ("SAME", "same_lower", "VALID", 0, 2, ((1, 0), (0, 2)))
GRID = [
    {"kernel_size": taps, "stride": stride, "padding": padding, "output_padding": stride - 1}
    for (taps, stride), padding in itertools.product(((1, 1), (2, 3), (4, 2)), PADDINGS)
]
CIRCULAR = [
    {"kernel_size": taps, "stride": stride, "padding": padding, "padding_mode": "CIRCULAR"}
    for taps, stride, padding in ((3, 1, "SAME"), ((4, 3), (3, 2), "SAME_LOWER"), (5, 2, "SAME"))
]
OTHERS = [
    {"kernel_size": 3, "use_bias": False},
    {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 2},
    {"kernel_size": (3, 2), "stride": (2, 1), "dilation": (1, 3), "padding": (1, 2)},
    {"kernel_size": 3, "dilation": 2, "padding": "SAME", "stride": 2, "output_padding": 1},
]


def draw(shape):
    return jnp.asarray(np.random.default_rng(len(shape)).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize("options", GRID + CIRCULAR + OTHERS, ids=str)
def test_equals_the_layer(options):
    layer = eqx.nn.ConvTranspose(2, 4, 6, key=jax.random.key(0), **options)
    x = draw((4, 7, 6))
    expected = layer(x)
    assert expected.size
    y = jax.jit(lambda layer, x: conv_transpose(layer, x, method="im2col"))(layer, x)
    np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("ndim", [1, 3])
def test_other_ranks_batches_and_gradients(ndim):
    kind = {1: eqx.nn.ConvTranspose1d, 3: eqx.nn.ConvTranspose3d}[ndim]
    layer = kind(4, 6, 4, stride=2, padding=1, output_padding=1, key=jax.random.key(0))
    x = draw((2, 4, *(5, 4, 3)[:ndim]))

    def loss(call, layer):
        return (jax.vmap(lambda x: call(layer, x))(x) ** 2).mean()

    ours = jax.jit(jax.value_and_grad(lambda layer: loss(conv_transpose, layer)))(layer)
    theirs = jax.jit(jax.value_and_grad(lambda layer: loss(lambda f, x: f(x), layer)))(layer)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, theirs)


@pytest.mark.usefixtures("without_shape_checks")
def test_what_cannot_be_computed_is_refused():
    layer = eqx.nn.ConvTranspose2d(4, 6, 3, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"3 axes.*\(1, 4, 5, 5\): use jax.vmap"):
        conv_transpose(layer, draw((1, 4, 5, 5)))
    with pytest.raises(ValueError, match="3 channels and the kernel takes 4"):
        conv_transpose(layer, draw((3, 5, 5)))
    with pytest.raises(TypeError, match="got Conv2d, which has no field 'output_padding'"):
        conv_transpose(eqx.nn.Conv2d(4, 6, 3, key=jax.random.key(0)), draw((4, 5, 5)))
    fields = {name: getattr(layer, name) for name in layer.__dataclass_fields__}
    for changed, message in (
        ({"padding_mode": "REFLECT"}, "'ZEROS' or 'CIRCULAR'; got 'REFLECT'"),
        ({"padding": "FULL"}, "SAME, SAME_LOWER or VALID; got 'FULL'"),
    ):
        with pytest.raises(ValueError, match=message):
            conv_transpose(SimpleNamespace(**fields | changed), draw((4, 5, 5)))
