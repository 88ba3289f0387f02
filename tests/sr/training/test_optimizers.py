"""Learning rates, clipping, accumulation and bfloat16, against what they are by definition."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from flax import nnx
from loops import assert_same_tree, normal

from subpixel import kernels
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import (
    ESPCNConfig,
    FSRCNNConfig,
    OptimizerConfig,
    PlainConfig,
)
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import (
    choose_accumulation,
    compile_step,
    max_parts,
    mean_gradient,
)


def steps_taken(config, losses, gradients=None, steps=None):
    """What is added to a parameter of two numbers, step by step."""
    optimizer = make_optimizer(config, steps or len(losses))
    params = jnp.zeros(2)
    state = optimizer.init(params)
    update = loops.jit(lambda g, state, value: optimizer.update(g, state, params, value=value))
    taken = []
    for number, loss in enumerate(losses):
        gradient = jnp.ones(2) if gradients is None else gradients[number]
        updates, state = update(gradient, state, jnp.float32(loss))
        taken.append(np.asarray(updates))
    return np.array(taken)


@pytest.mark.parametrize("warmup", [4, 10, 200])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_cosine_and_constant_after_the_warm_up(schedule, warmup):
    # Under a constant gradient, Adam's step is the learning rate itself.
    config = OptimizerConfig(
        learning_rate=0.5, warmup_steps=warmup, final_learning_rate=0.1, schedule=schedule
    )
    # The warm-up of a run that is not longer than it is a tenth of the run.
    rises = 4 if warmup == 4 else 1
    left = 10 - rises
    cosine = [0.1 + 0.4 * (1 + math.cos(math.pi * t / left)) / 2 for t in range(left)]
    after = cosine if schedule == "cosine" else [0.5] * left
    expected = [0.5 * t / rises for t in range(rises)] + after
    taken = steps_taken(config, [1.0] * 10)
    np.testing.assert_allclose(taken[:, 0], -np.array(expected), rtol=1e-4)


def test_a_plateau_lowers_the_rate_to_its_final_value():
    config = OptimizerConfig(
        learning_rate=0.5,
        warmup_steps=0,
        schedule="plateau",
        final_learning_rate=0.1,
        plateau_steps=2,
        plateau_threshold=0.1,
        plateau_factor=0.5,
    )
    # Means of two: 2, then 1 (better), 0.95 (too little), 0.5 (better), 0.5 and 0.5 (no better).
    losses = [3, 1, 1, 1, 0.9, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    rates = -steps_taken(config, losses)[:, 0]
    # The step that completes a mean is taken with what came of it.
    expected = [0.5] * 5 + [0.25] * 4 + [0.125] * 2 + [0.1] * 3
    np.testing.assert_allclose(rates, expected, rtol=1e-4)


def test_clipping_shortens_the_whole_gradient_before_adam():
    gradients = [jnp.array(g) for g in ([3.0, 4.0], [0.03, 0.04], [-30.0, 40.0])]
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=0, schedule="constant", clip_norm=1.0)
    taken = steps_taken(config, [1.0] * 3, gradients)
    first, second = np.zeros(2), np.zeros(2)
    clipped = np.array([[0.6, 0.8], [0.03, 0.04], [-0.6, 0.8]])
    for number, (g, found) in enumerate(zip(clipped, taken, strict=True), start=1):
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        root = np.sqrt(second / (1 - 0.999**number))
        expected = -0.1 * first / (1 - 0.9**number) / (root + 1e-8)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.usefixtures("x64")
def test_the_parts_of_a_batch_add_up_to_its_gradient():
    model = ESPCNConfig(scale=2, features=(4, 3)).build("subpixel", seed=0)
    graph, state = nnx.split(model)
    params = jax.tree.map(lambda p: normal(p.size, *p.shape), nnx.to_pure_dict(state))

    def loss(params, batch):
        return jnp.mean((nnx.merge(graph, params)(batch["lr"]) - batch["hr"]) ** 2)

    gradient = jax.value_and_grad(loss)
    batch = {"lr": normal(0, 6, 5, 5, 1), "hr": normal(1, 6, 10, 10, 1)}
    whole = loops.jit(gradient)(params, batch)
    parts = loops.jit(mean_gradient(gradient, 3))(params, batch)
    assert_same_tree(parts, whole, 1e-6)


def test_accumulation_is_what_is_asked_for_or_what_fits_a_cache():
    assert choose_accumulation(4, patches=16, pixels=17**2, platform="cpu") == 4
    assert choose_accumulation(4, patches=4, pixels=17**2, platform="cpu") == 4
    with pytest.raises(InputError, match=r"accumulation is 4, which does not divide the 2 patches"):
        choose_accumulation(4, patches=2, pixels=17**2, platform="cpu")
    assert choose_accumulation(None, patches=16, pixels=17**2, platform="cpu") == 2
    assert choose_accumulation(None, patches=2, pixels=8**2, platform="cpu") == 1
    # Where no number of parts fits the cache, the largest divisor up to the limit.
    assert choose_accumulation(None, patches=36, pixels=96**2, platform="cpu") == 12
    assert choose_accumulation(None, patches=37, pixels=96**2, platform="cpu") == 1
    # Elsewhere a batch is whole, whatever its size; the platform is the target's, not this one's.
    for platform in ("gpu", "cuda", "tpu"):
        assert choose_accumulation(None, patches=36, pixels=96**2, platform=platform) == 1
        assert choose_accumulation(4, patches=16, pixels=17**2, platform=platform) == 4

    # At most two parts where a convolution is narrow.
    for config, parts in (
        (ESPCNConfig(), 16),
        (FSRCNNConfig(), 2),
        (PlainConfig(width=15), 2),
    ):
        most = max_parts(nnx.to_pure_dict(nnx.state(config.build("subpixel", seed=0))))
        assert most == parts
        assert choose_accumulation(None, 16, 96**2, max_parts=most, platform="cpu") == parts


def test_eigens_convolutions_give_the_step_of_the_default_ones():
    config = OptimizerConfig(cpu_convolutions="eigen", accumulation=1)
    rng = np.random.default_rng(0)
    batch = {
        "lr": rng.integers(0, 256, (4, 24, 24, 1), dtype=np.uint8),
        "hr": rng.integers(0, 256, (4, 72, 72, 1), dtype=np.uint8),
    }
    results = []
    for convolutions in ("default", "eigen"):
        chosen = dataclasses.replace(config, cpu_convolutions=convolutions)
        start = start_training(TrainingConfig(optimizer=chosen), "subpixel")
        results.append(compile_step(start, batch, platform="cpu")(start.state, batch)[1])
    (default, eigen) = results
    np.testing.assert_allclose(eigen["loss"], default["loss"], rtol=1e-5)
    np.testing.assert_allclose(eigen["gradient_norm"], default["gradient_norm"], rtol=1e-4)


@pytest.mark.parametrize("name", ["adam", "muon", "soap"])
@pytest.mark.parametrize("layout", ["conv_transpose", "zero_insert"])
def test_the_layout_of_the_upsampler_changes_no_update(name, layout):
    config = OptimizerConfig(name=name, warmup_steps=0, basis_every=2)
    network = PlainConfig(scale=2, depth=2, width=3)
    params = nnx.to_pure_dict(nnx.state(network.build("subpixel", 0)))

    def convert(tree, source, target):
        kernel = kernels.convert(tree["upsampler"]["kernel"], 2, source, target)
        return {**tree, "upsampler": {"kernel": kernel}}

    optimizers = {each: make_optimizer(config, 10, each, 2) for each in ("subpixel", layout)}
    states = {
        each: optimizer.init(convert(params, "subpixel", each))
        for each, optimizer in optimizers.items()
    }
    rng = np.random.default_rng(0)
    for step in range(4):
        gradient = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), params)
        updates = {}
        for each, optimizer in optimizers.items():
            update, states[each] = optimizer.update(
                convert(gradient, "subpixel", each),
                states[each],
                convert(params, "subpixel", each),
                value=jnp.float32(1),
            )
            updates[each] = convert(update, each, "subpixel")
        assert np.abs(updates[layout]["upsampler"]["kernel"]).max() > 1e-4
        # In some directions the first gradient is rounding alone, and SOAP, like Adam, takes
        # a whole step in each.
        if step > 0:
            jax.tree.map(
                partial(np.testing.assert_allclose, atol=1e-6),
                updates[layout],
                updates["subpixel"],
            )
