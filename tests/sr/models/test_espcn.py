"""ESPCN: its size, its three upsamplers as one function, and what it refuses."""

import functools
import itertools

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from flax import nnx
from loops import LAYOUTS, assert_close, assert_same_tree, normal

from subpixel import kernels
from subpixel.sr.models import ESPCNConfig


def numbers_of(model):
    return nnx.to_pure_dict(nnx.state(model))


def small(upsampler, *, scale=2, residual=False, bias="phase", channels=3, kernel_sizes=(3, 1, 2)):
    """A small ESPCN in float64, none of whose parameters is zero or the same in every phase."""
    config = ESPCNConfig(
        scale=scale,
        channels=channels,
        features=(4, 3),
        kernel_sizes=kernel_sizes,
        bias=bias,
        residual=residual,
        input_mean=0.5,
        input_scale=2.0,
    )
    # The shapes alone: to initialise it would take longer than the tests.
    model = config.build_abstract(upsampler)
    # As their input and parameters are: the config's float32 hides what is exact.
    model.dtype = None
    for layer in (model.conv1, model.conv2, model.upsampler):
        layer.dtype = None
    seeds = itertools.count()
    drawn = jax.tree.map(
        lambda array: jnp.asarray(normal(next(seeds), *array.shape)), numbers_of(model)
    )
    nnx.update(model, drawn)
    return model


@functools.partial(loops.jit, static_argnums=0)
def value_and_gradients_of(graph, params, x):
    def loss(params, x):
        y = nnx.merge(graph, params)(x)
        return (y * normal(99, *y.shape)).sum(), y

    gradients, y = jax.grad(loss, (0, 1), has_aux=True)(params, x)
    return y, gradients


def value_and_gradients(model, x):
    graph, state = nnx.split(model)
    return value_and_gradients_of(graph, nnx.to_pure_dict(state), x)


@pytest.mark.parametrize("upsampler", LAYOUTS)
@pytest.mark.parametrize(
    ("scale", "per_phase", "shared"),
    [(2, 21_284, 21_281), (3, 22_729, 22_721), (4, 24_752, 24_737)],
)
def test_parameter_count_on_luma(upsampler, scale, per_phase, shared):
    for bias, count in (("phase", per_phase), ("shared", shared)):
        model = ESPCNConfig(scale=scale, bias=bias).build_abstract(upsampler)
        assert sum(array.size for array in jax.tree.leaves(numbers_of(model))) == count


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("scale", "kernel_sizes", "bias"), [(2, (3, 1, 2), "phase"), (3, (3, 1, 3), "shared")]
)
def test_every_pair_of_upsamplers_is_the_same_function_with_the_same_gradients(
    scale, kernel_sizes, bias
):
    x = jnp.asarray(normal(50, 2, 5, 4, 3))
    for source in LAYOUTS:
        # Each begins with numbers of its own, so the three sources are different functions.
        model = small(source, scale=scale, bias=bias, kernel_sizes=kernel_sizes)
        results = {
            target: value_and_gradients(model.with_upsampler(target), x) for target in LAYOUTS
        }
        y, (params, dx) = value_and_gradients(model, x)
        for target, (other_y, (other_params, other_dx)) in results.items():
            assert_close(other_y, y, 1e-12)
            assert_close(other_dx, dx, 1e-12)
            # A conversion only moves numbers, so it moves their gradients too.
            kernel = kernels.convert(other_params["upsampler"].pop("kernel"), scale, target, source)
            other_params["upsampler"]["kernel"] = kernel
            assert_same_tree(other_params, params, 1e-12)


@pytest.mark.usefixtures("x64")
def test_a_converted_model_shares_nothing_with_its_source():
    model = small("conv_transpose")
    before = numbers_of(model)
    there = model.with_upsampler("subpixel")
    assert (there.upsampler_name, model.upsampler_name) == ("subpixel", "conv_transpose")
    nnx.update(there, jax.tree.map(jnp.zeros_like, numbers_of(there)))
    assert_same_tree(numbers_of(model), before, 0.0)


def test_a_model_starts_without_a_checkerboard():
    config = ESPCNConfig(scale=3, features=(4, 3), kernel_sizes=(3, 1, 3))
    model = config.build("subpixel", seed=0)
    y = np.asarray(model(normal(0, 1, 4, 5, 1).astype(np.float32)))[0, :, :, 0]
    nearest = np.repeat(np.repeat(y[1::3, 1::3], 3, 0), 3, 1)
    assert_close(y, nearest, 1e-6)
    assert np.ptp(y) > 0


def test_unknown_upsamplers_and_biases_are_refused():
    names = ", ".join(LAYOUTS)
    for convert in (
        lambda: ESPCNConfig(scale=2).build("deconv", seed=0),
        lambda: small("subpixel").with_upsampler("deconv"),
    ):
        with pytest.raises(ValueError, match=f"unknown layout 'deconv': it must be one of {names}"):
            convert()
    with pytest.raises(ValueError, match="bias must be one of 'phase', 'shared'; got 'none'"):
        ESPCNConfig(scale=2, bias="none")
