"""What a swap lists is replaced, whatever container holds it, and the container keeps its type."""

import collections
import dataclasses
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import versions
from flax import nnx

from subpixel import layers


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
    assert type(model.held) is Pair
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


def test_a_layer_that_flax_does_not_see_is_neither_listed_nor_replaced():
    hidden = up(0)
    model = Holder([up(1), nnx.relu])
    model.call = lambda x: hidden(x)
    assert list(layers.swap_conv_transpose(model)) == ["held.0"]
    assert type(hidden) is nnx.ConvTranspose


@pytest.mark.parametrize("model", [(up(0), up(1)), Pair(up(0), up(1)), Frozen(up(0)), {up(0)}, 3])
def test_a_model_that_cannot_be_changed_in_place_is_refused(model):
    with pytest.raises(TypeError, match=f"got {type(model).__name__}, which .*put it into a list"):
        layers.swap_conv_transpose(model)
    assert all(type(layer) is nnx.ConvTranspose for layer in held_layers(model).values())


@pytest.mark.parametrize("model", [[up(0), (up(1),)], {"a": Pair(up(0), up(1))}])
def test_a_list_or_dictionary_of_modules_is_a_model(model):
    assert len(layers.swap_conv_transpose(model)) == 2
    assert all(type(layer) is layers.ConvTranspose for layer in held_layers(model).values())
