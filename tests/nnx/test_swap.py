"""A swap replaces Flax's layers in any container, and the model computes and trains the same."""

import collections
import dataclasses
import functools
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import versions
from flax import nnx

from subpixel import layers

pytestmark = pytest.mark.usefixtures("unoptimized")


class Pair(NamedTuple):
    x2: Any
    x4: Any


@flax.struct.dataclass
class Struct:
    up: Any
    name: str = flax.struct.field(pytree_node=False)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Frozen:
    up: Any


@jax.tree_util.register_pytree_node_class
class Unnamed:
    """A pytree whose children have no names."""

    def __init__(self, *ups):
        self.ups = list(ups)

    def tree_flatten(self):
        return self.ups, None

    @classmethod
    def tree_unflatten(cls, _, ups):
        return cls(*ups)


def data(value):
    """Tells Flax 0.12 that an attribute holds modules."""
    return nnx.data(value) if hasattr(nnx, "data") else value


class Holder(nnx.Module):
    def __init__(self, held):
        self.held = data(held)


def up(seed=0):
    bias_init = nnx.initializers.normal()
    return nnx.ConvTranspose(2, 2, (2,), (2,), bias_init=bias_init, rngs=nnx.Rngs(seed))


def held_layers(node):
    """Every transposed convolution that NNX sees, by its path."""
    return {
        ".".join(map(str, path)): layer
        for path, layer in nnx.iter_graph(node)
        if isinstance(layer, nnx.ConvTranspose)
    }


def containers(node):
    """The type of everything that NNX sees, by its path, without the insides of the layers."""
    paths = tuple(f"{path}." for path in held_layers(node))
    kinds = {".".join(map(str, path)): type(child) for path, child in nnx.iter_graph(node)}
    return {path: kind for path, kind in kinds.items() if not path.startswith(paths)}


CONTAINERS = {
    "tuple": lambda: (up(0), up(1)),
    "named tuple": lambda: Pair(up(0), up(1)),
    "list": lambda: [up(0), up(1)],
    "dictionary": lambda: {"a": up(0), "b": up(1)},
    "ordered": lambda: collections.OrderedDict(b=up(0), a=up(1)),
    "default": lambda: collections.defaultdict(list, a=up(0)),
    "frozen dictionary": lambda: flax.core.FrozenDict(a=up(0), b={"c": up(1)}),
    "tuple in a list": lambda: [(up(0), nnx.relu), up(1)],
    "tuple in a dictionary": lambda: {"a": (up(0), None), "b": 3},
    "tuple in tuples": lambda: (((up(0),), up(1)), "name"),
    "named tuple in a list": lambda: [Pair(up(0), 2), Pair(None, up(1))],
    "list in a named tuple": lambda: Pair([up(0)], {"a": (up(1),)}),
    "struct": lambda: Struct((up(0),), "x2"),
    "frozen dataclass": lambda: Frozen({"a": up(0)}),
    "unnamed pytree": lambda: (Unnamed(up(0), up(1)),),
    "partial": lambda: jax.tree_util.Partial(sum, up(0)),
    "module in a tuple": lambda: (Holder((up(0),)), Holder(Pair(up(1), 0))),
    "NNX's list": lambda: versions.List([data((up(0), up(1)))]),
    "NNX's dictionary": lambda: nnx.Dict(a=Holder(Pair(up(0), up(1)))),
    "NNX's sequence": lambda: nnx.Sequential(up(0), nnx.relu, nnx.Sequential(up(1))),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_listed_is_replaced_and_the_container_keeps_its_type(name):
    model = Holder(CONTAINERS[name]())
    before = held_layers(model)
    assert before
    kinds = containers(model)
    states = nnx.to_flat_state(nnx.state(model))
    swapped = layers.swap_conv_transpose(model)
    after = held_layers(model)
    assert swapped.keys() == before.keys() == after.keys()
    for path, layer in swapped.items():
        assert type(layer) is layers.ConvTranspose
        assert after[path] is layer
        assert layer.kernel is before[path].kernel
        assert layer.bias is before[path].bias
    assert layers.swap_conv_transpose(model) == {}
    assert containers(model) == kinds | dict.fromkeys(before, layers.ConvTranspose)
    for (path, old), (same, new) in zip(states, nnx.to_flat_state(nnx.state(model)), strict=True):
        assert path == same
        np.testing.assert_array_equal(new[...], old[...])


def test_a_named_tuple_keeps_its_names_and_paths():
    model = Holder(Pair(up(0), up(1)))
    x = jnp.ones((1, 3, 2))
    expected = model.held.x4(x)
    assert list(layers.swap_conv_transpose(model)) == ["held.x2", "held.x4"]
    np.testing.assert_allclose(model.held.x4(x), expected, rtol=1e-6)
    paths = [path for path, _ in nnx.to_flat_state(nnx.state(model))]
    assert ("held", "x4", "kernel") in paths


def test_a_shared_layer_and_a_shared_container_stay_shared_and_cycles_end():
    layer = up(0)
    pair = (layer, up(1))
    model = Holder([pair, pair, layer])
    inner = Holder((up(2), model))
    model.held.append(inner)
    assert set(layers.swap_conv_transpose(model)) == {"held.0.0", "held.0.1", "held.3.held.0"}
    assert model.held[0] is model.held[1]
    assert model.held[0][0] is model.held[2]
    assert inner.held[1] is model
    assert type(inner.held[0]) is type(model.held[2]) is layers.ConvTranspose


def test_an_untouched_tuple_is_kept_as_it_is():
    other = (nnx.Linear(2, 2, rngs=nnx.Rngs(0)), nnx.relu)
    model = Holder([other, (up(0),)])
    layers.swap_conv_transpose(model)
    assert model.held[0] is other


class Scaled(nnx.ConvTranspose):
    def __call__(self, x):
        return 2 * super().__call__(x)


def test_subclasses_and_layers_that_flax_does_not_see_are_neither_listed_nor_replaced():
    hidden = up(0)
    model = Holder([up(1), nnx.relu, Scaled(2, 2, (2,), (2,), rngs=nnx.Rngs(1))])
    model.call = lambda x: hidden(x)
    assert list(layers.swap_conv_transpose(model)) == ["held.0"]
    assert type(hidden) is nnx.ConvTranspose
    assert type(model.held[2]) is Scaled


def test_a_layer_alone_is_returned_and_stays_as_it_is():
    bias_init = nnx.initializers.normal()
    mask = jnp.array([1.0, 0.0])[:, None, None] * jnp.ones((2, 2, 2))
    layer = nnx.ConvTranspose(2, 2, (2,), (2,), mask=mask, bias_init=bias_init, rngs=nnx.Rngs(0))
    swapped = layers.swap_conv_transpose(layer)
    assert list(swapped) == [""]
    assert swapped[""].kernel is layer.kernel
    assert type(layer) is nnx.ConvTranspose
    x = jnp.ones((1, 3, 2))
    np.testing.assert_allclose(swapped[""](x), layer(x), rtol=1e-6)


@pytest.mark.parametrize("model", [(up(0), up(1)), Pair(up(0), up(1)), Frozen(up(0)), {up(0)}, 3])
def test_a_model_that_cannot_be_changed_in_place_is_refused(model):
    with pytest.raises(TypeError, match=f"got {type(model).__name__}, which .*put it into a list"):
        layers.swap_conv_transpose(model)
    assert all(type(layer) is nnx.ConvTranspose for layer in held_layers(model).values())


@pytest.mark.parametrize("model", [[up(0), (up(1),)], {"a": Pair(up(0), up(1))}])
def test_a_list_or_dictionary_of_modules_is_a_model(model):
    assert len(layers.swap_conv_transpose(model)) == 2
    assert all(type(layer) is layers.ConvTranspose for layer in held_layers(model).values())


def test_an_unknown_method_is_refused_before_anything_is_replaced():
    model = nnx.Dict(a=up())
    choices = '"auto", "im2col", "polyphase", "strided" or "native"; got \'subpixel\''
    with pytest.raises(ValueError, match=choices):
        layers.swap_conv_transpose(model, method="subpixel")
    assert type(model["a"]) is nnx.ConvTranspose
    with pytest.raises(ValueError, match="method must be"):
        layers.ConvTranspose(2, 2, (2,), method="fast", rngs=nnx.Rngs(0))


class DCGANGenerator(nnx.Module):
    """Radford et al., arXiv 1511.06434, figure 1: 4x4 kernels, strides of 2, batch norm, ReLU."""

    def __init__(self, latent=8, width=2, *, rngs: nnx.Rngs):
        make = functools.partial(
            nnx.ConvTranspose,
            kernel_size=(4, 4),
            use_bias=False,
            kernel_init=nnx.initializers.normal(0.02),
            rngs=rngs,
        )
        widths = [2 * width, width]
        self.project = make(latent, widths[0], strides=(1, 1), padding="VALID")
        self.ups = versions.List(
            [make(a, b, strides=(2, 2)) for a, b in zip(widths, [*widths[1:], 3], strict=True)]
        )
        self.norms = versions.List([nnx.BatchNorm(w, rngs=rngs) for w in widths])

    def __call__(self, z):
        y = nnx.relu(self.norms[0](self.project(z[:, None, None])))
        for layer, norm in zip(self.ups, self.norms[1:], strict=False):
            y = nnx.relu(norm(layer(y)))
        return jnp.tanh(self.ups[-1](y))


def train(model, optimizer, x, steps=20):
    """Losses of each step towards a fixed target, and the parameters at the end."""

    @nnx.jit
    def step(model, optimizer):
        def loss(model):
            y = model(x)
            return jnp.mean((y - jnp.cos(jnp.arange(y.size)).reshape(y.shape)) ** 2)

        error, gradient = nnx.value_and_grad(loss)(model)
        versions.update(optimizer, model, gradient)
        return error

    losses = [float(step(model, optimizer)) for _ in range(steps)]
    return losses, jax.tree.leaves(nnx.state(model, nnx.Param))


def test_a_swapped_model_computes_and_trains_the_same_with_the_optimizer_made_before():
    x = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    theirs, ours = (DCGANGenerator(rngs=nnx.Rngs(0)) for _ in range(2))
    optimizers = [nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param) for model in (theirs, ours)]
    swapped = layers.swap_conv_transpose(ours, method="im2col")
    assert sorted(swapped) == ["project", "ups.0", "ups.1"]
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)
    expected, expected_end = train(theirs, optimizers[0], x)
    losses, end = train(ours, optimizers[1], x)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for a, b in zip(end, expected_end, strict=True):
        # Adam divides by the gradient's own size, so rounding of a tiny one is a step of its own.
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)
