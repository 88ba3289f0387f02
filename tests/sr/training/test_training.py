"""The step, the loop, and what is kept when a run is stopped or fails."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from rich.console import Console

from subpixel import kernels
from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig
from subpixel.sr.data.images import ImageSource
from subpixel.sr.data.pairs import Pair
from subpixel.sr.data.patches import PatchCutter, batches
from subpixel.sr.data.preparation import prepare
from subpixel.sr.models.weights import save_weights
from subpixel.sr.training import stepping
from subpixel.sr.training.loop import train
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.records import WALL_CLOCK, Records, read_records
from subpixel.sr.training.state import init_state
from subpixel.sr.training.step import train_step
from subpixel.sr.workdir import claim_workdir

TINY = Experiment(
    name="tiny",
    model=ESPCNConfig(scale=2, features=(5, 4), kernel_sizes=(3, 3, 3), residual=True),
    data=DataConfig(patch_size=8, batch_size=3, validation_images=1),
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2, ema_decay=0.9),
    steps=12,
    log_every=3,
    validate_every=6,
    checkpoint_every=4,
)


def pairs(count, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    smooth = rng.uniform(0, 255, (count, 6, 7, 3)).repeat(6, 1).repeat(6, 2)
    noisy = (smooth + rng.normal(0, 20, smooth.shape)).clip(0, 255).astype(np.uint8)
    images = [Pair("", ImageSource("", lambda image=image: image)) for image in noisy]
    return prepare(images, 2, channels).pairs


def run(workdir, experiment=TINY):
    workdir.mkdir(exist_ok=True)
    return train(experiment, pairs(4), pairs(1, seed=1), workdir, Console(quiet=True))


def test_a_step_is_adam_on_the_mean_squared_error():
    experiment = dataclasses.replace(
        TINY, optimizer=dataclasses.replace(TINY.optimizer, warmup_steps=0)
    )
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    graph, state = init_state(experiment.model, "subpixel", optimizer, experiment.seed)
    rng = np.random.default_rng(0)
    lr = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    hr = rng.integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    before = jax.tree.map(np.asarray, state.params)

    def loss(params):
        return jnp.mean((nnx.merge(graph, params)(lr / np.float32(255)) - hr / 255.0) ** 2)

    gradient = jax.grad(loss)(before)
    output = nnx.merge(graph, before)(lr / np.float32(255))
    expected_loss = np.mean((np.asarray(output, np.float64) - hr / 255) ** 2)

    state, metrics = train_step(
        state,
        {"lr": lr, "hr": hr},
        graph=graph,
        optimizer=optimizer,
        loss="mse",
        ema_decay=0.9,
    )
    assert float(metrics["loss"]) == pytest.approx(expected_loss, rel=1e-5)
    squares = sum(np.sum(np.square(g, dtype=np.float64)) for g in jax.tree.leaves(gradient))
    assert float(metrics["gradient_norm"]) == pytest.approx(np.sqrt(squares), rel=1e-5)
    assert metrics["finite"]
    # Adam's first step is the learning rate against the sign of the gradient, but for its epsilon.
    rate = experiment.optimizer.learning_rate
    expected = jax.tree.map(lambda p, g: p - rate * g / (np.abs(g) + 1e-8), before, gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), state.params, expected)
    # The average's decay in the first step is (1 + 0) / (10 + 0).
    average = jax.tree.map(lambda p, q: 0.1 * p + 0.9 * q, before, state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.ema, average)
    assert int(state.step) == 1


def test_a_step_whose_gradient_is_not_finite_changes_nothing_but_the_count():
    optimizer = make_optimizer(TINY.optimizer, TINY.steps)
    graph, state = init_state(TINY.model, "subpixel", optimizer, TINY.seed)
    # A kernel so large that the squared error overflows float32.
    kernel = state.params["upsampler"]["kernel"]
    state.params["upsampler"]["kernel"] = jnp.full_like(kernel, 1e30)
    before = jax.tree.map(np.asarray, state)
    batch = {
        "lr": np.full((3, 8, 8, 1), 200, np.uint8),
        "hr": np.zeros((3, 16, 16, 1), np.uint8),
    }
    after, metrics = train_step(
        state, batch, graph=graph, optimizer=optimizer, loss="mse", ema_decay=0.9
    )
    assert not metrics["finite"]
    expected = dataclasses.replace(before, step=np.int32(1))
    jax.tree.map(np.testing.assert_array_equal, after, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_upsampler_starts_as_the_same_function(channels):
    config = dataclasses.replace(TINY.model, channels=channels)
    x = np.random.default_rng(0).uniform(size=(2, 9, 8, channels)).astype(np.float32)
    outputs = [config.build(name, seed=3)(x) for name in kernels.LAYOUTS]
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], rtol=1e-5, atol=1e-6)


def test_upsamplers_stay_the_same_function_while_they_train(tmp_path):
    end = run(tmp_path / "run").run
    reference = end.states["subpixel"].params
    for name, state in end.states.items():
        kernel = state.params["upsampler"]["kernel"]
        respelled = kernels.convert(jnp.asarray(kernel), 2, name, "subpixel")
        np.testing.assert_allclose(respelled, reference["upsampler"]["kernel"], atol=2e-4)
        np.testing.assert_allclose(
            state.params["conv1"]["kernel"], reference["conv1"]["kernel"], atol=2e-4
        )
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    assert [r["step"] for r in records if "loss" in r and r["upsampler"] == "zero_insert"] == [
        3, 6, 9, 12,
    ]  # fmt: skip
    validated = {}
    for record in records:
        if "validation_psnr" in record:
            validated.setdefault(record["step"], []).append(record["validation_psnr"])
    assert list(validated) == [0, 4, 6, 8, 12]  # checkpoints are measured too
    for scores in validated.values():
        assert max(scores) - min(scores) < 0.01


@pytest.mark.parametrize("optimizer", ["adam", "muon", "soap"])
def test_a_run_resumes_from_its_checkpoint_as_if_it_had_not_stopped(
    tmp_path, monkeypatch, optimizer
):
    chosen = dataclasses.replace(TINY.optimizer, name=optimizer)
    experiment = dataclasses.replace(TINY, optimizer=chosen)
    whole = run(tmp_path / "whole", experiment).run
    # The second run dies at step 10, after the checkpoint of step 8.
    real = Records.write

    def dying(self, record):
        real(self, record)
        if record["step"] == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(Records, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", experiment)
    monkeypatch.setattr(Records, "write", real)
    resumed = run(tmp_path / "parts", experiment).run
    jax.tree.map(np.testing.assert_array_equal, resumed.states, whole.states)
    strip = [
        [
            {k: v for k, v in r.items() if k not in WALL_CLOCK}
            for r in read_records(w / "metrics.jsonl")
        ]
        for w in (tmp_path / "whole", tmp_path / "parts")
    ]
    assert strip[0] == strip[1]


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(tmp_path / "run").run
    again = run(tmp_path / "run").run
    assert again.seconds == first.seconds
    jax.tree.map(np.testing.assert_array_equal, again.states, first.states)


def test_a_loss_that_is_not_finite_stops_at_its_step_and_keeps_the_checkpoint(tmp_path):
    experiment = dataclasses.replace(
        TINY,
        upsamplers=("subpixel",),
        checkpoint_every=1,
        optimizer=dataclasses.replace(TINY.optimizer, learning_rate=1e38, loss="mse"),
    )
    with pytest.raises(NonFiniteError, match=r"subpixel is no longer finite at step \d+") as error:
        run(tmp_path / "run", experiment)
    step = int(str(error.value).split("at step ")[1].split(":")[0])
    kept = [int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert max(kept) == step - 1


def test_a_step_that_is_not_finite_leaves_its_batch_and_norms(tmp_path):
    experiment = dataclasses.replace(
        TINY,
        upsamplers=("subpixel",),
        optimizer=dataclasses.replace(TINY.optimizer, learning_rate=1e38),
    )
    with pytest.raises(NonFiniteError, match=r"its batch is in .*nonfinite") as error:
        run(tmp_path / "run", experiment)
    step = int(str(error.value).split("at step ")[1].split(":")[0])
    folder = tmp_path / "run" / "nonfinite" / str(step)
    cutter = PatchCutter(pairs(4), scale=2, patch_size=8, batch_size=3, augment=True)
    iterator = batches(cutter, steps=experiment.steps, seed=experiment.seed)
    expected = [next(iterator) for _ in range(step)][-1]
    with np.load(folder / "batch.npz") as kept:
        for key in ("lr", "hr"):
            np.testing.assert_array_equal(kept[key], expected[key])
    values = json.loads((folder / "step.json").read_text())
    assert values["step"] == step
    assert values["upsampler"] == "subpixel"
    assert {"loss", "gradient_norm"} <= set(values)


def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path, monkeypatch):
    experiment = dataclasses.replace(
        TINY, upsamplers=("subpixel",), on_nonfinite="skip", log_every=1, skips_allowed=2
    )
    failing = {3, 4, 8}
    real = stepping.Stepper.advance

    def advance(self, run):
        run = real(self, run)
        if run.step in failing:
            values = self._outstanding.metrics["subpixel"]
            values.update(finite=np.bool_(False), loss=np.float32(np.nan))
        return run

    monkeypatch.setattr(stepping.Stepper, "advance", advance)
    run(tmp_path / "run", experiment)
    records = [r for r in read_records(tmp_path / "run" / "metrics.jsonl") if "skipped" in r]
    assert [r["skipped"] for r in records] == [0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert [r["step"] for r in records if r["loss"] is None] == [3, 4, 8]
    failing.add(5)
    with pytest.raises(NonFiniteError, match=r"at step 5, after 2 that were skipped"):
        run(tmp_path / "again", experiment)


def test_a_record_has_the_mean_loss_and_the_largest_gradient_norm_since_the_one_before(tmp_path):
    found = {}
    for every in (1, 3):
        experiment = dataclasses.replace(TINY, upsamplers=("subpixel",), log_every=every)
        run(tmp_path / str(every), experiment)
        records = read_records(tmp_path / str(every) / "metrics.jsonl")
        found[every] = [(r["loss"], r["gradient_norm"]) for r in records if "loss" in r]
    steps = np.reshape(found[1], (-1, 3, 2))
    assert len({norm for _, norm in found[1]}) == 12
    np.testing.assert_allclose([loss for loss, _ in found[3]], steps[..., 0].mean(1))
    assert [norm for _, norm in found[3]] == steps[..., 1].max(1).tolist()


def test_a_trace_of_a_few_steps_is_written(tmp_path):
    experiment = dataclasses.replace(TINY, upsamplers=("subpixel",), steps=25)
    (tmp_path / "run").mkdir()
    console = Console(file=io.StringIO(), width=400)
    folder = tmp_path / "run" / "profile"
    train(experiment, pairs(4), pairs(1, seed=1), tmp_path / "run", console, folder)
    (trace,) = folder.rglob("*.xplane.pb")
    assert b"train_step" in trace.read_bytes()
    assert f"--logdir={folder}" in console.file.getvalue()


def test_tensorboard_has_scalars_and_images(tmp_path):
    experiment = dataclasses.replace(TINY, upsamplers=("subpixel",))
    run(tmp_path / "run", experiment)
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    content = events.read_bytes()
    assert content.count(b"PNG") == 5  # steps 0, 4, 6, 8 and 12
    for tag in (b"loss/subpixel", b"validation_psnr/subpixel", b"data_wait_fraction/subpixel"):
        assert tag in content


def test_another_config_in_the_same_workdir_is_refused(tmp_path):
    claim_workdir(tmp_path / "run", TINY)
    claim_workdir(tmp_path / "run", TINY)
    other = dataclasses.replace(TINY, steps=99)
    with pytest.raises(InputError, match=r"another config \(steps: 12 there, 99 here\)"):
        claim_workdir(tmp_path / "run", other)


def test_records_after_the_checkpoint_and_torn_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": s, "upsampler": "subpixel", "loss": s / 10}) for s in (1, 2, 3)]
    path.write_text("\n".join(lines) + '\n{"step": 4, "ups')
    with Records(tmp_path, step=2) as records:
        records.write({"step": 3, "upsampler": "subpixel", "loss": 0.5})
    assert [(r["step"], r["loss"]) for r in read_records(path)] == [(1, 0.1), (2, 0.2), (3, 0.5)]


@pytest.mark.parametrize("scale", [2, 3])
def test_a_training_starts_from_weights_and_from_all_but_the_head_of_another_scale(tmp_path, scale):
    config = dataclasses.replace(TINY.model, scale=2)
    network = config.build("conv_transpose", seed=5)
    path = tmp_path / "start.safetensors"
    save_weights(path, nnx.to_pure_dict(nnx.state(network)), config, "conv_transpose")
    model = dataclasses.replace(config, scale=scale)
    optimizer = make_optimizer(TINY.optimizer, TINY.steps)
    _, state = init_state(model, "subpixel", optimizer, 0, str(path))
    expected = nnx.to_pure_dict(nnx.state(network.with_upsampler("subpixel")))
    fresh = init_state(model, "subpixel", optimizer, 0)[1].params
    for layer, values in state.params.items():
        same = expected if scale == 2 or layer.startswith("conv") else fresh
        jax.tree.map(np.testing.assert_array_equal, values, same[layer])


def test_a_training_does_not_start_from_weights_of_other_layers(tmp_path):
    config = dataclasses.replace(TINY.model, features=(7, 4))
    path = tmp_path / "start.safetensors"
    save_weights(path, nnx.to_pure_dict(nnx.state(config.build("subpixel", 0))), config, "subpixel")
    with pytest.raises(InputError, match=r"start_from: .* have other shapes"):
        init_state(TINY.model, "subpixel", make_optimizer(TINY.optimizer, TINY.steps), 0, str(path))
