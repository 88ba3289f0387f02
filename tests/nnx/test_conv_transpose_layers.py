"""The layers for Flax against Flax's own: state, results, gradients, checkpoints."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import versions
from flax import linen as nn
from flax import nnx

import subpixel
from subpixel import layers, linen

pytestmark = pytest.mark.usefixtures("unoptimized")

X2 = np.random.default_rng(0).standard_normal((2, 5, 4, 3)).astype(np.float32)
X1 = X2[:, :, 0]
MASK = np.random.default_rng(1).integers(0, 2, (3, 2, 3, 4)).astype(np.float32)

# Input, and the keywords that both APIs share.
CASES = {
    "same": (X2, {"kernel_size": (4, 4), "strides": (2, 2)}),
    "stride number, dilated": (X2, {"kernel_size": (3, 2), "strides": 3, "kernel_dilation": 2}),
    "valid, no bias": (X2, {"kernel_size": (3, 2), "padding": "VALID", "use_bias": False}),
    "pairs": (X2, {"kernel_size": (3, 2), "padding": ((1, 2), (0, 3)), "strides": (2, 1)}),
    "padding number": (X2, {"kernel_size": (3, 2), "padding": 2}),
    "numbers": (X2, {"kernel_size": (3, 2), "padding": (1, 2)}),
    "circular": (X2, {"kernel_size": (3, 2), "strides": (2, 3), "padding": "CIRCULAR"}),
    "circular, transposed": (
        X2,
        {"kernel_size": (6, 5), "strides": 2, "padding": "CIRCULAR", "transpose_kernel": True},
    ),
    "circular, wide": (X2[:, :1, :2], {"kernel_size": (9, 8), "padding": "CIRCULAR"}),
    "mask": (X2, {"kernel_size": (3, 2), "mask": MASK}),
    "one axis": (X1, {"kernel_size": (4,), "strides": (2,), "transpose_kernel": True}),
    "kernel number": (X1, {"kernel_size": 4, "strides": 2}),
    "no batch": (X1[0], {"kernel_size": (4,), "strides": (2,)}),
    "batches": (X2[:, None].repeat(3, 1), {"kernel_size": (3, 2), "strides": (2, 2)}),
    "half": (X2, {"kernel_size": (3, 2), "dtype": jnp.bfloat16}),
    "half parameters": (X2, {"kernel_size": (3, 2), "param_dtype": jnp.float16}),
    "preferred": (
        X2,
        {"kernel_size": (3, 2), "dtype": jnp.bfloat16, "preferred_element_type": jnp.float32},
    ),
    "initializers": (
        X2,
        {
            "kernel_size": (3, 2),
            "kernel_init": nn.initializers.normal(),
            "bias_init": nn.initializers.ones,
            "precision": "highest",
        },
    ),
}


def assert_trees_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def epsilon(keywords):
    """Of the narrowest type that the case computes or keeps numbers in."""
    types = [keywords.get(name, jnp.float32) for name in ("dtype", "param_dtype")]
    return max(float(jnp.finfo(dtype).eps) for dtype in types)


def assert_close(a, b, eps=2.0**-23):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        scale = max(float(jnp.abs(y).max()), 1e-6)
        assert float(jnp.abs(x - y).max()) <= 32 * eps * scale


def with_gradients(apply, state, x):
    """The output, and the gradients of a loss of it by state and input."""

    def loss(state, x):
        return jnp.sum(jnp.sin(apply(state, x).astype(jnp.float32)))

    return apply(state, x), jax.grad(loss, (0, 1), allow_int=True)(state, x)


def state_and_function(layer, x):
    """The state of a layer of NNX or Linen, and the layer as a function of it and an input."""
    if isinstance(layer, nn.Module):
        return layer.init(jax.random.key(3), x), layer.apply
    graph, state = nnx.split(layer)
    return state, lambda state, x: versions.merge(graph, state)(x)


def pure(state):
    return nnx.to_pure_dict(state) if isinstance(state, nnx.State) else state


@pytest.mark.parametrize("flavour", ["nnx", "linen"])
@pytest.mark.parametrize("name", CASES)
def test_layer_is_a_drop_in(name, flavour):
    x, keywords = CASES[name]
    if flavour == "nnx":
        make = functools.partial(nnx.ConvTranspose, 3, rngs=nnx.Rngs(7))
        ours = layers.ConvTranspose(3, 4, rngs=nnx.Rngs(7), method="im2col", **keywords)
    else:
        make = nn.ConvTranspose
        ours = linen.ConvTranspose(4, method="im2col", **keywords)
    theirs = make(4, **versions.taken_by_flax(keywords))
    assert isinstance(ours, type(theirs))
    (my_state, mine), (state, function) = (state_and_function(v, x) for v in (ours, theirs))
    assert_trees_equal(pure(my_state), pure(state))
    assert_close(
        *(
            jax.jit(lambda s, x, f=f: with_gradients(f, s, x))(state, x)
            for f, state in ((mine, my_state), (function, state))
        ),
        epsilon(keywords),
    )


def test_linen_names_its_submodules_as_flax_does():
    class Model(nn.Module):
        layer: type

        @nn.compact
        def __call__(self, x):
            return self.layer(2, (3, 3))(x)

    mine, theirs = (
        Model(layer).init(jax.random.key(0), X2)["params"].keys()
        for layer in (linen.ConvTranspose, nn.ConvTranspose)
    )
    assert mine == theirs


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(layers.ConvTranspose, nnx.ConvTranspose), (linen.ConvTranspose, nn.ConvTranspose)],
)
def test_constructor_is_that_of_flax_and_two_keywords(ours, theirs):
    mine = dict(inspect.signature(ours.__init__).parameters)
    for name in ("feature_group_count", "method"):
        mine.pop(name)
    expected = inspect.signature(theirs.__init__).parameters
    for name in versions.NEWER_OPTIONS:
        if name not in expected:
            mine.pop(name, None)
    # Linen appends the parent and the name to every module's fields.
    assert list(mine) == list(expected)
    for name, parameter in expected.items():
        assert mine[name].kind == parameter.kind
        if not callable(parameter.default):
            assert mine[name].default == parameter.default


@pytest.mark.parametrize("transposed", [False, True])
def test_groups_in_a_layer(transposed):
    options = {"transpose_kernel": transposed, "strides": (2, 2), "feature_group_count": 2}
    layer = layers.ConvTranspose(6, 4, (3, 2), rngs=nnx.Rngs(0), **options)
    shape = (3, 2, 2, 6) if transposed else (3, 2, 3, 4)
    assert layer.kernel.shape == layer.kernel_shape == shape
    assert (layer.in_features, layer.out_features, layer.bias.shape) == (6, 4, (4,))
    x = np.concatenate([X2, 2 * X2], axis=-1)
    module = linen.ConvTranspose(4, (3, 2), **options)
    variables = {"params": {"kernel": layer.kernel[...], "bias": layer.bias[...]}}
    assert_close(module.apply(variables, x), layer(x))
    split = jnp.split(layer.kernel[...], 2, axis=-1)
    halves = [
        jax.lax.conv_transpose(x[..., 3 * i : 3 * i + 3], w, (2, 2), "SAME", None, None, transposed)
        for i, w in enumerate(split)
    ]
    assert_close(layer(x), jnp.concatenate(halves, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_group_count": 2}, "divide in_features and out_features; got 2 for 3 and 4"),
        ({"mask": MASK}, r"mask must have .* \(3, 2, 3, 4\) for a kernel of \(3, 3"),
    ],
)
def test_groups_and_masks_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layers.ConvTranspose(3, 4, (3, 3), rngs=nnx.Rngs(0), **options)(X2)
    with pytest.raises(ValueError, match=message):
        linen.ConvTranspose(4, (3, 3), **options).init(jax.random.key(0), X2)


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 channels and the kernel takes 3"):
        layers.ConvTranspose(3, 4, (3, 3), rngs=nnx.Rngs(0))(X2[..., :2])


def test_a_checkpoint_of_flax_restores_into_ours(tmp_path):
    keywords = {"kernel_size": (4, 4), "strides": (2, 2)}
    theirs = nnx.ConvTranspose(3, 4, rngs=nnx.Rngs(7), **keywords)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "flax", nnx.state(theirs))
        checkpointer.wait_until_finished()
        ours = layers.ConvTranspose(3, 4, rngs=nnx.Rngs(0), **keywords)
        nnx.update(ours, checkpointer.restore(tmp_path / "flax", nnx.state(ours)))
        checkpointer.save(tmp_path / "ours", nnx.state(ours))
        checkpointer.wait_until_finished()
        back = nnx.ConvTranspose(3, 4, rngs=nnx.Rngs(1), **keywords)
        nnx.update(back, checkpointer.restore(tmp_path / "ours", nnx.state(back)))
    assert_close(ours(X2), theirs(X2))
    np.testing.assert_array_equal(back(X2), theirs(X2))


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)], ids=str)
@pytest.mark.parametrize("name", ["same", "Valid", "SAME_LOWER", "same_lower"])
def test_padding_names_mean_what_they_mean_in_jax(name, strides):
    """Other names than "SAME" and "VALID" name the padding of an ordinary convolution."""
    theirs = nnx.ConvTranspose(3, 4, (4, 3), strides, padding=name, rngs=nnx.Rngs(7))
    ours = layers.swap_conv_transpose(theirs)[""]
    kernel = jnp.asarray(theirs.kernel[...])
    calls = [
        theirs,
        ours,
        lambda x: jax.lax.conv_transpose(x, kernel, strides, name),
        lambda x: subpixel.conv_transpose(x, kernel, strides, name, method="im2col"),
    ]
    if strides != (1, 1):
        for call in calls:
            with pytest.raises(ValueError, match=r"(?i)padding"):
                call(X2)
        return
    flax, swapped, lax, function = (np.asarray(call(X2)) for call in calls)
    np.testing.assert_allclose(swapped, flax, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(function, lax, rtol=1e-4, atol=1e-5)
