"""Real architectures, small: ours swapped in, the same outputs and the same training."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import versions
from flax import nnx

from subpixel import layers

pytestmark = pytest.mark.usefixtures("unoptimized")

normal = nnx.initializers.normal(0.02)


class DCGANGenerator(nnx.Module):
    """Radford et al., arXiv 1511.06434, figure 1: 4x4 kernels, strides of 2, batch norm, ReLU."""

    def __init__(self, latent=8, width=2, *, rngs: nnx.Rngs):
        up = functools.partial(
            nnx.ConvTranspose, kernel_size=(4, 4), use_bias=False, kernel_init=normal, rngs=rngs
        )
        widths = [8 * width, 4 * width, 2 * width, width]
        self.project = up(latent, widths[0], strides=(1, 1), padding="VALID")
        self.ups = versions.List(
            [up(a, b, strides=(2, 2)) for a, b in zip(widths, [*widths[1:], 3], strict=True)]
        )
        self.norms = versions.List([nnx.BatchNorm(w, rngs=rngs) for w in widths])

    def __call__(self, z):
        y = nnx.relu(self.norms[0](self.project(z[:, None, None])))
        for up, norm in zip(self.ups, [*self.norms[1:], jnp.tanh], strict=True):
            y = norm(up(y)) if norm is jnp.tanh else nnx.relu(norm(up(y)))
        return y


class UNetDecoder(nnx.Module):
    """Ronneberger et al., arXiv 1505.04597, figure 1: 2x2 up-convolutions, skips, 3x3 pairs."""

    def __init__(self, width=4, depth=2, *, rngs: nnx.Rngs):
        widths = [width * 2**i for i in range(depth, -1, -1)]
        conv = functools.partial(nnx.Conv, kernel_size=(3, 3), rngs=rngs)
        self.stages = versions.List(
            [
                nnx.Dict(
                    up=nnx.ConvTranspose(a, b, (2, 2), (2, 2), padding="VALID", rngs=rngs),
                    first=conv(2 * b, b),
                    second=conv(b, b),
                )
                for a, b in itertools.pairwise(widths)
            ]
        )
        self.widths = tuple(widths)

    def __call__(self, y):
        for stage, width in zip(self.stages, self.widths[1:], strict=True):
            y = stage["up"](y)
            # The encoder's feature map, here a fixed image.
            line = jnp.linspace(-1, 1, y.shape[1])[:, None] * jnp.arange(1, width + 1)
            skip = jnp.broadcast_to(jnp.sin(line[:, None]), (*y.shape[:-1], width))
            y = jnp.concatenate([skip, y], axis=-1)
            y = nnx.relu(stage["second"](nnx.relu(stage["first"](y))))
        return y


class ResidualBlock(nnx.Module):
    def __init__(self, channels, size, *, rngs: nnx.Rngs):
        conv = functools.partial(nnx.Conv, channels, channels, (size,), rngs=rngs)
        self.dilated = versions.List([conv(kernel_dilation=d) for d in (1, 3)])
        self.plain = versions.List([conv() for _ in (1, 3)])

    def __call__(self, y):
        for first, second in zip(self.dilated, self.plain, strict=True):
            y = y + second(nnx.leaky_relu(first(nnx.leaky_relu(y, 0.1)), 0.1))
        return y


class HiFiGANGenerator(nnx.Module):
    """Kong et al., arXiv 2010.05646, section 2.2: kernels twice the stride, then MRF blocks."""

    def __init__(self, mels=6, width=8, rates=(4, 2), *, rngs: nnx.Rngs):
        self.first = nnx.Conv(mels, width, (7,), rngs=rngs)
        widths = [width >> i for i in range(len(rates) + 1)]
        # PyTorch's padding of (kernel - stride) / 2: as many pixels as stride times the input's.
        self.ups = versions.List(
            [
                nnx.ConvTranspose(
                    a, b, (2 * r,), (r,), padding=((2 * r - 1 - r // 2,) * 2,), rngs=rngs
                )
                for a, b, r in zip(widths, widths[1:], rates, strict=False)
            ]
        )
        self.blocks = versions.List(
            [
                versions.List([ResidualBlock(w, size, rngs=rngs) for size in (3, 7)])
                for w in widths[1:]
            ]
        )
        self.last = nnx.Conv(widths[-1], 1, (7,), rngs=rngs)

    def __call__(self, mel):
        y = self.first(mel)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            y = up(nnx.leaky_relu(y, 0.1))
            y = sum(block(y) for block in blocks) / len(blocks)
        return jnp.tanh(self.last(nnx.leaky_relu(y)))


MODELS = {
    "DCGAN": (DCGANGenerator, (4, 8), ["project", "ups.0", "ups.1", "ups.2", "ups.3"]),
    "U-Net": (UNetDecoder, (2, 3, 3, 16), ["stages.0.up", "stages.1.up"]),
    "HiFi-GAN": (HiFiGANGenerator, (2, 5, 6), ["ups.0", "ups.1"]),
}


def train(model, x, steps=20):
    """Losses of each step towards a fixed target, and the parameters at the end."""
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    optimizer = optax.adam(1e-3)
    target = jnp.cos(jnp.arange(model(x).size)).reshape(model(x).shape)

    @jax.jit
    def step(parameters, rest, moments):
        def loss(parameters):
            model = versions.merge(graph, parameters, rest)
            error = jnp.mean((model(x) - target) ** 2)
            return error, nnx.state(model, nnx.Not(nnx.Param))

        (error, rest), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
        updates, moments = optimizer.update(gradient, moments, parameters)
        return optax.apply_updates(parameters, updates), rest, moments, error

    moments = optimizer.init(parameters)
    losses = []
    for _ in range(steps):
        parameters, rest, moments, error = step(parameters, rest, moments)
        losses.append(float(error))
    return np.array(losses), parameters


@pytest.mark.parametrize("name", MODELS)
def test_a_swapped_model_computes_and_trains_the_same(name):
    model_class, shape, paths = MODELS[name]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    theirs, ours = (model_class(rngs=nnx.Rngs(0)) for _ in range(2))
    kernels = [value[...] for _, value in nnx.to_flat_state(nnx.state(theirs, nnx.Param))]
    swapped = layers.swap_conv_transpose(ours, method="im2col")
    assert sorted(swapped) == paths
    assert all(type(layer) is layers.ConvTranspose for layer in swapped.values())
    assert layers.swap_conv_transpose(ours) == {}
    after = [value[...] for _, value in nnx.to_flat_state(nnx.state(ours, nnx.Param))]
    for a, b in zip(after, kernels, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)
    (losses, end), (expected, expected_end) = train(ours, x), train(theirs, x)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(end), jax.tree.leaves(expected_end), strict=True):
        # Adam divides by the gradient's own size, so rounding of a tiny one is a step of its own.
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)


def test_a_swap_keeps_sharing_and_variables_and_leaves_subclasses_alone():
    class Scaled(nnx.ConvTranspose):
        def __call__(self, x):
            return 2 * super().__call__(x)

    shared = nnx.ConvTranspose(2, 2, (2,), (2,), rngs=nnx.Rngs(0))
    other = Scaled(2, 2, (2,), (2,), rngs=nnx.Rngs(1))
    model = nnx.Dict(a=shared, b=shared, c=other)
    kernel = shared.kernel
    swapped = layers.swap_conv_transpose(model)
    assert list(swapped) == ["a"]
    assert model["a"] is model["b"] is swapped["a"]
    assert type(model["a"]) is layers.ConvTranspose
    assert type(shared) is nnx.ConvTranspose
    assert model["a"].kernel is kernel
    assert type(model["c"]) is Scaled


def test_a_layer_alone_is_returned_and_stays_as_it_is():
    layer = nnx.ConvTranspose(2, 2, (2,), (2,), rngs=nnx.Rngs(0))
    swapped = layers.swap_conv_transpose(layer)
    assert list(swapped) == [""]
    assert swapped[""].kernel is layer.kernel
    assert type(layer) is nnx.ConvTranspose
    x = jnp.ones((1, 3, 2))
    assert swapped[""](x).shape == (1, 6, 2)
    np.testing.assert_allclose(swapped[""](x), layer(x), rtol=1e-6)


def test_a_swap_finds_layers_in_attributes_lists_and_tuples_and_keeps_the_optimizer():
    class Model(nnx.Module):
        def __init__(self, rngs):
            def up():
                return nnx.ConvTranspose(2, 2, (2,), (2,), mask=jnp.ones((2, 2, 2)), rngs=rngs)

            self.first = up()
            self.rest = versions.List([up(), nnx.Sequential(up(), nnx.relu)])

        def __call__(self, x):
            x = self.first(x)
            for layer in self.rest:
                x = layer(x)
            return x

    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    x = jnp.ones((1, 3, 2))
    before = model(x)
    kernel = model.first.kernel[...]
    assert sorted(layers.swap_conv_transpose(model)) == ["first", "rest.0", "rest.1.layers.0"]
    assert type(model.first) is type(model.rest[0]) is layers.ConvTranspose
    assert model.first.mask is not None
    np.testing.assert_allclose(model(x), before, rtol=1e-5, atol=1e-6)
    versions.update(optimizer, model, nnx.grad(lambda model: (model(x) ** 2).sum())(model))
    assert (model.first.kernel[...] != kernel).any()


def test_an_unknown_method_is_refused_before_anything_is_replaced():
    model = nnx.Dict(a=nnx.ConvTranspose(2, 2, (2,), (2,), rngs=nnx.Rngs(0)))
    choices = '"auto", "im2col", "polyphase", "strided" or "native"; got \'subpixel\''
    with pytest.raises(ValueError, match=choices):
        layers.swap_conv_transpose(model, method="subpixel")
    assert type(model["a"]) is nnx.ConvTranspose
    with pytest.raises(ValueError, match="method must be"):
        layers.ConvTranspose(2, 2, (2,), method="fast", rngs=nnx.Rngs(0))
