"""Branched convolutions: their function, their start, and the plain network that they become."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from loops import normal
from rich.console import Console
from test_training import TINY, pairs

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig, Experiment, OptimizerConfig
from subpixel.sr.models import FSRCNNConfig, PlainConfig, SRCNNConfig
from subpixel.sr.models.trained import named_params
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.targets import load_trained
from subpixel.sr.training import train
from subpixel.sr.training.reparameterization import (
    BranchedConv,
    collapse,
    edge_filters,
    reparameterize,
)
from subpixel.sr.workdir import claim_workdir, weights_file

KINDS = ["repvgg", "ecb"]


def convolve(x, kernel, groups=1):
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=axes, feature_group_count=groups
    )


def moved(network, seed=0):
    """Replaces every parameter of a network, zeros included, by a random one."""
    graph, state = nnx.split(network)
    leaves, tree = jax.tree.flatten(nnx.to_pure_dict(state))
    drawn = [0.3 * normal(seed + i, *leaf.shape) for i, leaf in enumerate(leaves)]
    return nnx.merge(graph, jax.tree.map(jnp.float32, tree.unflatten(drawn)))


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 4), (3, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_branched_convolution_is_the_sum_of_its_branches(kind, inputs, outputs):
    plain = nnx.Conv(inputs, outputs, (3, 3), rngs=nnx.Rngs(0))
    layer = moved(BranchedConv(plain, kind, rngs=nnx.Rngs(1)))
    x = jnp.float32(normal(9, 2, 7, 6, inputs))
    expected = layer.conv(x) + convolve(x, layer.centre[...])
    if inputs == outputs:
        expected += x * layer.identity[...]
    if kind == "ecb":
        expected += convolve(convolve(x, layer.expand[...]), layer.squeeze[...])
        branches = zip(layer.edge_mix[...], layer.edge_scale[...], edge_filters(), strict=True)
        for mix, scale, edge in branches:
            each = jnp.repeat(edge[:, :, None, None], outputs, axis=-1)
            expected += scale * convolve(convolve(x, mix[None, None]), each, groups=outputs)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    np.testing.assert_array_equal(layer.collapsed()(x), layer(x))
    assert np.abs(layer(x) - layer.conv(x)).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("config", "count"),
    [
        (ESPCNConfig(scale=2, features=(6, 4), kernel_sizes=(5, 3, 3)), 1),
        (PlainConfig(scale=2, depth=4, width=4, activation="prelu"), 3),
        (PlainConfig(scale=2, depth=3, width=4, dtype="bfloat16"), 2),
        (FSRCNNConfig(scale=2), 4),
    ],
    ids=["ESPCN", "plain", "bfloat16", "FSRCNN"],
)
def test_a_network_keeps_its_function_at_the_start_and_its_layers_at_the_end(config, count, kind):
    plain = config.build("conv_transpose", seed=0)
    network = reparameterize(config.build("conv_transpose", seed=0), kind, seed=0)
    assert sum(isinstance(layer, BranchedConv) for layer in vars(network).values()) == count
    x = jnp.float32(np.random.default_rng(0).uniform(size=(1, 8, 7, 1)))
    np.testing.assert_array_equal(network(x), plain(x))
    network = moved(network)
    graph, params = collapse(*nnx.split(network))
    tolerance = 1e-5 if config.dtype == "float32" else 1e-1
    end = network(x)
    np.testing.assert_allclose(
        nnx.merge(graph, params)(x), end, atol=tolerance * float(jnp.abs(end).max())
    )
    shapes = {name: array.shape for name, array in named_params(params).items()}
    expected = nnx.to_pure_dict(nnx.state(plain))
    assert shapes == {name: array.shape for name, array in named_params(expected).items()}


def test_none_changes_nothing():
    network = reparameterize(TINY.model.build("subpixel", seed=0), "none", seed=0)
    assert not any(isinstance(layer, BranchedConv) for layer in vars(network).values())


@pytest.fixture
def experiment() -> Experiment:
    optimizer = dataclasses.replace(TINY.optimizer, reparameterization="ecb")
    return dataclasses.replace(TINY, upsamplers=("conv_transpose",), optimizer=optimizer)


def test_a_training_ends_with_a_plain_network_and_its_checkpoint_gives_the_same(
    experiment, tmp_path
):
    claim_workdir(tmp_path, experiment)
    trained = train(experiment, pairs(4), pairs(1, seed=1), tmp_path, Console(quiet=True))
    params = trained.params["conv_transpose"]
    branches = named_params(trained.run.states["conv_transpose"].params)
    assert "conv2.squeeze" in branches
    assert np.abs(branches["conv2.squeeze"]).max() > 1e-4  # it was trained
    from_checkpoint = load_trained(str(tmp_path), checkpoint="last")
    jax.tree.map(np.testing.assert_array_equal, from_checkpoint.params, params)
    weights = weights_file(tmp_path, "conv_transpose")
    weights.parent.mkdir()
    save_weights(weights, params, experiment.model, "conv_transpose")
    jax.tree.map(np.testing.assert_array_equal, load_weights(weights).params, params)
    # A plain network can go on as a branched one, from where it is.
    warm = dataclasses.replace(experiment, start_from=str(weights), steps=3, validate_every=3)
    folder = tmp_path / "warm"
    folder.mkdir()
    train(warm, pairs(4), pairs(1, seed=1), folder, Console(quiet=True))
    psnr = [
        record["validation_psnr"]
        for place in (tmp_path, folder)
        for record in map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
        if "validation_psnr" in record
    ]
    # The last score of the first training is the first of the second.
    assert psnr[-2] == pytest.approx(psnr[-3], abs=1e-3)


def test_a_network_without_3x3_convolutions_is_refused():
    network = SRCNNConfig(scale=2).build("subpixel", seed=0)
    with pytest.raises(InputError, match="reparameterization=ecb needs 3x3 convolutions"):
        reparameterize(network, "ecb", seed=0)


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="must be one of 'none', 'repvgg', 'ecb'; got 'acb'"):
        OptimizerConfig(reparameterization="acb")  # pyright: ignore[reportArgumentType]
