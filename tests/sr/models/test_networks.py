"""What every network of the union declares is what it computes."""

import dataclasses
import functools
from typing import get_args

import interpreter
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from loops import LAYOUTS, assert_close, assert_same_tree, normal

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig
from subpixel.sr.models import (
    ESPCNConfig,
    FSRCNNConfig,
    ModelConfig,
    PlainConfig,
    SRCNNConfig,
)
from subpixel.sr.models.layers import gflop
from subpixel.sr.models.operations import Upsampling
from subpixel.sr.models.trained import named_params
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.serialization import from_json, to_json

# Small members of the union. A new network joins by a line.
CONFIGS = [
    ESPCNConfig(scale=3, features=(4, 3), kernel_sizes=(3, 1, 3), residual=True),
    ESPCNConfig(scale=2, channels=3, features=(4, 3, 3), kernel_sizes=(5, 3, 1, 4), bias="shared"),
    ESPCNConfig(
        scale=2, channels=3, features=(4,), kernel_sizes=(3, 3), activation="relu", residual=True,
        input_mean=0.45, input_scale=1.6, output_activation="sigmoid",
    ),
    FSRCNNConfig(scale=3, features=5, shrunk_features=3, mapping_layers=2),
    FSRCNNConfig(scale=2, channels=3, features=4, shrunk_features=2, mapping_layers=0),
    FSRCNNConfig(scale=4, features=4, shrunk_features=3, mapping_layers=1, residual=True),
    PlainConfig(scale=3, depth=4, width=5, activation="prelu"),
    PlainConfig(scale=2, channels=3, depth=2, width=3, activation="relu"),
    SRCNNConfig(scale=3, features=(4, 3), kernel_sizes=(5, 1, 3), input_mean=0.4, input_scale=2.0),
    SRCNNConfig(scale=2, channels=3, features=(4,), kernel_sizes=(5, 3)),
]  # fmt: skip


@functools.cache
def drawn(config, upsampler="subpixel"):
    """A network none of whose parameters is zero or the same in every phase."""
    graph, state = nnx.split(config.build_abstract(upsampler))
    leaves, structure = jax.tree.flatten(nnx.to_pure_dict(state))
    numbers = [jnp.asarray(normal(i, *a.shape) * 0.3, jnp.float32) for i, a in enumerate(leaves)]
    return nnx.merge(graph, jax.tree.unflatten(structure, numbers))


def test_every_member_of_the_union_is_tested():
    assert {type(config) for config in CONFIGS} == set(get_args(ModelConfig))


@pytest.mark.parametrize("config", CONFIGS)
def test_the_three_upsamplers_are_one_function(config):
    model = drawn(config)
    x = jnp.asarray(normal(99, 2, 6, 5, config.channels), jnp.float32)
    expected = model(x)
    assert expected.shape == (2, 6 * config.scale, 5 * config.scale, config.channels)
    for upsampler in LAYOUTS:
        other = model.with_upsampler(upsampler)
        # A kernel's numbers are only moved; sums of float32 in another order are rounded.
        assert_close(other(x), expected, 3e-6)
        back = nnx.to_pure_dict(nnx.state(other.with_upsampler("subpixel")))
        assert_same_tree(back, nnx.to_pure_dict(nnx.state(model)), 0.0)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_the_operations_are_the_network(config, upsampler):
    model = drawn(config, upsampler)
    x = np.random.default_rng(1).random((2, 5, 4, config.channels))
    operations = model.operations()
    expected = model(jnp.asarray(x, jnp.float32))
    assert_close(interpreter.run(operations, x), expected, 1e-5)
    for operation in operations:
        if isinstance(operation, Upsampling):
            kernel = operation.kernel_in(upsampler)
            np.testing.assert_array_equal(kernel, model.upsampler.kernel[...])


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_the_layers_hold_the_parameters(config, upsampler):
    layers = config.layers(upsampler)
    assert len({layer.name for layer in layers}) == len(layers)
    counted: dict[str, int] = {}
    for name, array in named_params(nnx.to_pure_dict(nnx.state(drawn(config)))).items():
        layer = name.partition(".")[0]
        counted[layer] = counted.get(layer, 0) + array.size
    assert {layer.name: layer.parameters for layer in layers} == counted
    shape = (2, 6, 5, config.channels)
    assert layers[-1].output(shape) == drawn(config)(jnp.zeros(shape)).shape


@pytest.mark.parametrize("config", CONFIGS)
def test_useful_work_is_what_xla_counts_away_from_the_border(config):
    # XLA counts no product with padding, so the share of the border must be small.
    size = 64
    model = drawn(config)
    compiled = jax.jit(model).lower(jnp.zeros((1, size, size, config.channels))).compile()
    useful, executed = gflop(config.layers("subpixel"), size * size)
    assert executed == useful
    assert compiled.cost_analysis()["flops"] / 1e9 == pytest.approx(useful, rel=0.25)
    kernel = drawn(config).upsampler.kernel.size
    useful, executed = gflop(config.layers("zero_insert"), size * size)
    more = 2 * size**2 * kernel * (config.scale**2 - 1) / 1e9
    assert executed - useful == pytest.approx(more)


@pytest.mark.parametrize("config", CONFIGS)
def test_an_output_pixel_depends_on_the_radius_and_no_further(config):
    model, r = drawn(config), config.scale
    size = 2 * model.radius + 5
    middle = size // 2
    x = jnp.asarray(normal(5, 1, size, size, config.channels), jnp.float32)
    changed = model(x.at[0, middle, middle].add(1.0)) - model(x)
    rows, columns = np.nonzero(np.abs(np.asarray(changed[0])).max(axis=-1))
    for places in (rows // r, columns // r):
        assert middle - model.radius <= places.min()
        assert places.max() <= middle + model.radius
    # An even kernel reaches the radius on one side only.
    reach = max(middle - rows.min() // r, rows.max() // r - middle)
    assert reach == model.radius


@pytest.mark.parametrize("config", CONFIGS)
def test_the_same_seed_is_the_same_function(config):
    x = jnp.asarray(normal(3, 1, 5, 5, config.channels), jnp.float32)
    first, *others = (config.build(upsampler, 1)(x) for upsampler in LAYOUTS)
    for other in others:
        assert_close(other, first, 1e-5)
    assert abs(first - config.build("subpixel", 2)(x)).max() > 1e-3


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_survive_their_file_and_equal_weights_are_equal_bytes(tmp_path, config):
    upsampler = LAYOUTS[config.scale - 2]
    params = nnx.to_pure_dict(nnx.state(drawn(config, upsampler)))
    contents = set()
    for name in "abcd":
        # The order in which parameters are given, as the file's metadata, has no say.
        shuffled = dict(sorted(params.items(), reverse=name in "bd"))
        save_weights(tmp_path / name, shuffled, config, upsampler)
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1
    loaded = load_weights(tmp_path / "a")
    assert (loaded.config, loaded.upsampler) == (config, upsampler)
    assert_same_tree(loaded.params, params, 0.0)
    x = jnp.asarray(normal(3, 1, 5, 5, config.channels), jnp.float32)
    np.testing.assert_array_equal(loaded.build()(x), drawn(config, upsampler)(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda params: params.pop("conv1"), "conv1.bias is missing; conv1.kernel is missing"),
        (lambda params: params.update(conv9={"kernel": np.ones(2)}), "conv9.kernel is not one of"),
        (
            lambda params: params["conv1"].update(bias=np.ones(7, np.float32)),
            "conv1.bias is 7 instead of 4",
        ),
        (
            lambda params: params["conv1"].update(bias=np.ones(4, np.int32)),
            "conv1.bias in .* is int32, not floating point",
        ),
        (
            lambda params: params["conv1"].update(bias=np.full(4, np.inf, np.float32)),
            "not all finite numbers: see conv1.bias",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_named(tmp_path, change, message):
    config = CONFIGS[0]
    params = nnx.to_pure_dict(nnx.state(drawn(config)))
    params = jax.tree.map(np.asarray, params)
    change(params)
    save_weights(tmp_path / "a", params, config, "subpixel")
    with pytest.raises(InputError, match=message):
        load_weights(tmp_path / "a")


def test_weights_do_not_depend_on_the_order_of_an_arrays_memory(tmp_path):
    params = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(drawn(CONFIGS[0]))))
    save_weights(tmp_path / "a", jax.tree.map(np.asfortranarray, params), CONFIGS[0], "subpixel")
    jax.tree.map(np.testing.assert_array_equal, load_weights(tmp_path / "a").params, params)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_member_of_the_union_survives_json(config):
    experiment = Experiment("a", model=config)
    values = to_json(experiment)
    assert values["model"]["network"] == config.network
    assert from_json(values, Experiment, "here") == experiment
    assert from_json(to_json(config), ModelConfig, "here") == config


def test_a_config_without_a_network_is_an_espcn():
    values = to_json(Experiment("a", model=CONFIGS[0]))
    del values["model"]["network"], values["model"]["activation"]
    assert from_json(values, Experiment, "here").model == CONFIGS[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"network": "vdsr"},
            "network must be one of 'espcn', 'fsrcnn', 'plain', 'srcnn'; got 'vdsr'",
        ),
        ({"network": 3}, "network must be one of 'espcn', 'fsrcnn', 'plain', 'srcnn'; got 3"),
        ({"network": "plain"}, "features"),
        ({"scale": 1}, "at least 2; got 1"),
    ],
)
def test_another_network_is_named(change, message):
    values = to_json(Experiment("a", model=CONFIGS[0]))
    values["model"] |= change
    with pytest.raises(InputError, match="does not fit this version") as error:
        from_json(values, Experiment, "here")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlainConfig(depth=1), "model.depth must be at least 2 and model.width"),
        (lambda: PlainConfig(width=0), "model.width at least 1; got 6 and 0"),
        (lambda: PlainConfig(activation="gelu"), "model.activation must be one of 'tanh', 'relu'"),
        (lambda: FSRCNNConfig(shrunk_features=0), "must be positive; got 56, 0 and None"),
        (lambda: FSRCNNConfig(upsampler_size=0), "must be positive; got 56, 12 and 0"),
        (lambda: FSRCNNConfig(mapping_layers=-1), "model.mapping_layers must be at least 0"),
        (lambda: ESPCNConfig(scale=0), "model.scale must be a whole number of at least 2; got 0"),
        (lambda: ESPCNConfig(scale=2.5), "model.scale must be a whole number; got 2.5"),
        (lambda: ESPCNConfig(features=(0, 3)), "must be positive; got"),
        (lambda: ESPCNConfig(features=(4,)), "must hold one number more than model.features"),
        (lambda: SRCNNConfig(features=(4,)), "must hold one number more than model.features"),
        (lambda: SRCNNConfig(upsampler_init="converted"), "does not apply to srcnn"),
        (
            lambda: SRCNNConfig(residual=True).build("subpixel", 0).operations(),
            "an SRCNN with a residual connection is not exported",
        ),
        (lambda: DataConfig(train=()), "must name at least one folder"),
        (lambda: OptimizerConfig(learning_rate=0.0), "must be positive; got 0"),
        (lambda: OptimizerConfig(final_learning_rate=1.0), "in 0..optimizer.learning_rate; got 1."),
        (lambda: OptimizerConfig(plateau_factor=1.0), "must lie between 0 and 1; got 1.0"),
        (lambda: OptimizerConfig(clip_norm=0.0), "clip_norm must be positive; got 0.0"),
        (lambda: OptimizerConfig(accumulation=0), "accumulation must be at least 1; got 0"),
        (lambda: OptimizerConfig(damping=-1.0), "damping must be at least 0; got -1.0"),
        (lambda: OptimizerConfig(basis_every=0), "basis_every must be at least 1; got 0"),
        (lambda: OptimizerConfig(b1=1.0), "b1 must lie in 0..1, below 1; got 1.0"),
        (lambda: OptimizerConfig(name="muon", b2=0.5), "b1 and b2 belong to adam and soap"),
        (lambda: Experiment("a", upsamplers=()), "at least one; got"),
        (lambda: Experiment("a", upsamplers=("subpixel", "subpixel")), "once"),
        (lambda: ESPCNConfig(features=(), kernel_sizes=(3,)), None),
    ],
)
def test_impossible_choices_are_refused(make, message):
    if message is None:
        assert make().layers("subpixel")[0].name == "upsampler"
        return
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("config", CONFIGS)
def test_a_half_precision_network_is_near_and_keeps_its_parameters(config):
    half = dataclasses.replace(config, dtype="bfloat16")
    x = jnp.asarray(np.random.default_rng(0).random((1, 6, 6, config.channels)), jnp.float32)
    wide, narrow = (c.build("conv_transpose", 0)(x) for c in (config, half))
    assert narrow.dtype == jnp.float32
    assert abs(wide - narrow).max() < 0.1 * abs(wide).max()
    assert {a.dtype for a in jax.tree.leaves(nnx.state(half.build("subpixel", 0)))} == {
        jnp.dtype("float32")
    }
