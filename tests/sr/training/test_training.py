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
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.provenance import Provenance
from subpixel.sr.training import stepping
from subpixel.sr.training.loop import train
from subpixel.sr.training.records import WALL_CLOCK, Records, read_records
from subpixel.sr.training.state import start_training
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
ALONE = dataclasses.replace(TINY, upsamplers=("subpixel",))


def with_optimizer(experiment, **changes):
    changed = dataclasses.replace(experiment.optimizer, **changes)
    return dataclasses.replace(experiment, optimizer=changed)


def pairs(count, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    smooth = rng.uniform(0, 255, (count, 6, 7, 3)).repeat(6, 1).repeat(6, 2)
    noisy = (smooth + rng.normal(0, 20, smooth.shape)).clip(0, 255).astype(np.uint8)
    images = [Pair("", ImageSource("", lambda image=image: image)) for image in noisy]
    return prepare(images, 2, channels).pairs


def run(workdir, experiment=TINY, traces=None, console=None):
    workdir.mkdir(exist_ok=True)
    console = console or Console(quiet=True)
    return train(experiment, None, pairs(4), pairs(1, seed=1), workdir, console, traces)


def start(experiment=TINY, trained=None, **changes):
    return start_training(dataclasses.replace(experiment, **changes), "subpixel", trained)


def records_of(workdir):
    records = read_records(workdir / "metrics.jsonl")
    return [{k: v for k, v in record.items() if k not in WALL_CLOCK} for record in records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training of three upsamplers that nothing stopped: its workdir and its end."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, run(workdir).run


def step_once(beginning, batch):
    return train_step(
        beginning.state,
        jax.tree.map(jnp.asarray, batch),
        graph=beginning.graph,
        optimizer=beginning.optimizer,
        loss="mse",
        ema_decay=0.9,
    )


def test_a_step_is_adam_on_the_mean_squared_error():
    experiment = with_optimizer(TINY, warmup_steps=0)
    beginning = start(experiment)
    rng = np.random.default_rng(0)
    lr = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    hr = rng.integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    before = beginning.state.params

    def loss(params):
        network = nnx.merge(beginning.graph, params)
        return jnp.mean((network(lr / np.float32(255)) - hr / 255.0) ** 2)

    expected_loss, gradient = jax.value_and_grad(loss)(before)
    state, metrics = step_once(beginning, {"lr": lr, "hr": hr})
    assert float(metrics["loss"]) == pytest.approx(float(expected_loss), rel=1e-5)
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
    beginning = start()
    # A kernel so large that the squared error overflows float32.
    upsampler = beginning.state.params["upsampler"]
    upsampler["kernel"] = jnp.full_like(upsampler["kernel"], 1e30)
    lr, hr = np.full((3, 8, 8, 1), 200, np.uint8), np.zeros((3, 16, 16, 1), np.uint8)
    after, metrics = step_once(beginning, {"lr": lr, "hr": hr})
    assert not metrics["finite"]
    expected = dataclasses.replace(beginning.state, step=np.int32(1))
    jax.tree.map(np.testing.assert_array_equal, after, expected)


def test_upsamplers_stay_the_same_function_while_they_train(whole):
    workdir, end = whole
    reference = end.states["subpixel"].params
    for name, state in end.states.items():
        kernel = kernels.convert(state.params["upsampler"]["kernel"], 2, name, "subpixel")
        np.testing.assert_allclose(kernel, reference["upsampler"]["kernel"], atol=2e-4)
        first, expected = (of["conv1"]["kernel"] for of in (state.params, reference))
        np.testing.assert_allclose(first, expected, atol=2e-4)
    records = records_of(workdir)
    logged = [r["step"] for r in records if "loss" in r and r["upsampler"] == "zero_insert"]
    assert logged == [3, 6, 9, 12]
    validated = {}
    for record in records:
        if "validation_psnr" in record:
            validated.setdefault(record["step"], []).append(record["validation_psnr"])
    assert list(validated) == [0, 4, 6, 8, 12]  # checkpoints are measured too
    for scores in validated.values():
        assert max(scores) - min(scores) < 0.01


def test_tensorboard_has_scalars_and_images(whole):
    (events,) = (whole[0] / "tensorboard").iterdir()
    content = events.read_bytes()
    assert content.count(b"PNG") == 3 * 5  # steps 0, 4, 6, 8 and 12
    for tag in (b"loss/subpixel", b"validation_psnr/zero_insert", b"data_wait_fraction/subpixel"):
        assert tag in content


@pytest.mark.parametrize("name", [None, "muon", "soap"])
def test_a_run_resumes_from_its_checkpoint_as_if_it_had_not_stopped(
    whole, tmp_path, monkeypatch, name
):
    if name is None:
        experiment, (workdir, expected) = TINY, whole
    else:
        experiment, workdir = with_optimizer(ALONE, name=name), tmp_path / "whole"
        expected = run(workdir, experiment).run
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
    jax.tree.map(np.testing.assert_array_equal, resumed.states, expected.states)
    assert records_of(tmp_path / "parts") == records_of(workdir)
    # A finished run is not trained again.
    again = run(tmp_path / "parts", experiment).run
    assert again.seconds == resumed.seconds
    jax.tree.map(np.testing.assert_array_equal, again.states, resumed.states)


def test_a_step_that_is_not_finite_stops_the_run_and_leaves_its_batch(tmp_path):
    experiment = with_optimizer(ALONE, learning_rate=1e38)
    experiment = dataclasses.replace(experiment, checkpoint_every=1)
    told = r"subpixel is no longer finite at step \d+.*; its batch is in .*nonfinite"
    with pytest.raises(NonFiniteError, match=told) as error:
        run(tmp_path, experiment)
    step = int(str(error.value).split("at step ")[1].split(":")[0])
    assert max(int(path.name) for path in (tmp_path / "checkpoints").iterdir()) == step - 1
    cutter = PatchCutter(pairs(4), scale=2, patch_size=8, batch_size=3, augment=True)
    iterator = batches(cutter, steps=experiment.steps, seed=experiment.seed)
    expected = [next(iterator) for _ in range(step)][-1]
    with np.load(tmp_path / f"nonfinite/{step}/batch.npz") as kept:
        for key in ("lr", "hr"):
            np.testing.assert_array_equal(kept[key], expected[key])
    values = json.loads((tmp_path / f"nonfinite/{step}/step.json").read_text())
    assert (values["step"], values["upsampler"]) == (step, "subpixel")
    assert {"loss", "gradient_norm"} <= set(values)


def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path, monkeypatch):
    experiment = dataclasses.replace(ALONE, on_nonfinite="skip", log_every=1, skips_allowed=2)
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
    records = [r for r in records_of(tmp_path / "run") if "skipped" in r]
    assert [r["skipped"] for r in records] == [0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert [r["step"] for r in records if r["loss"] is None] == [3, 4, 8]
    failing.add(5)
    with pytest.raises(NonFiniteError, match=r"at step 5, after 2 that were skipped"):
        run(tmp_path / "again", experiment)


def test_a_record_has_the_mean_loss_and_the_largest_gradient_norm_since_the_one_before(
    whole, tmp_path
):
    run(tmp_path, dataclasses.replace(ALONE, log_every=1))
    each, third = (
        [
            (r["loss"], r["gradient_norm"])
            for r in records_of(workdir)
            if "loss" in r and r["upsampler"] == "subpixel"
        ]
        for workdir in (tmp_path, whole[0])
    )
    steps = np.reshape(each, (-1, 3, 2))
    assert len({norm for _, norm in each}) == 12
    np.testing.assert_allclose([loss for loss, _ in third], steps[..., 0].mean(1))
    assert [norm for _, norm in third] == steps[..., 1].max(1).tolist()


def test_a_trace_of_a_few_steps_is_written(tmp_path):
    console = Console(file=io.StringIO(), width=400)
    folder = tmp_path / "run" / "profile"
    run(tmp_path / "run", dataclasses.replace(ALONE, steps=25), folder, console)
    (trace,) = folder.rglob("*.xplane.pb")
    assert b"train_step" in trace.read_bytes()
    assert f"--logdir={folder}" in console.file.getvalue()


def test_another_config_in_the_same_workdir_is_refused(tmp_path):
    for _ in range(2):
        claim_workdir(tmp_path / "run", TINY)
    with pytest.raises(InputError, match=r"another config \(steps: 12 there, 99 here\)"):
        claim_workdir(tmp_path / "run", dataclasses.replace(TINY, steps=99))


def test_records_after_the_checkpoint_and_torn_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": s, "upsampler": "subpixel", "loss": s / 10}) for s in (1, 2, 3)]
    path.write_text("\n".join(lines) + '\n{"step": 4, "ups')
    with Records(tmp_path, step=2) as records:
        records.write({"step": 3, "upsampler": "subpixel", "loss": 0.5})
    assert [(r["step"], r["loss"]) for r in read_records(path)] == [(1, 0.1), (2, 0.2), (3, 0.5)]


@pytest.mark.parametrize("scale", [2, 3])
def test_a_training_starts_from_weights_and_from_all_but_the_head_of_another_scale(scale):
    network = TINY.model.build("conv_transpose", seed=5)
    params = nnx.to_pure_dict(nnx.state(network))
    provenance = Provenance(name="trained")
    trained = TrainedNetwork("trained", provenance, TINY.model, "conv_transpose", params)
    model = dataclasses.replace(TINY.model, scale=scale)
    expected = nnx.to_pure_dict(nnx.state(network.with_upsampler("subpixel")))
    fresh = start(model=model).state.params
    for layer, values in start(model=model, trained=trained).state.params.items():
        same = expected if scale == 2 or layer.startswith("conv") else fresh
        jax.tree.map(np.testing.assert_array_equal, values, same[layer])
    other = dataclasses.replace(TINY.model, features=(7, 4))
    with pytest.raises(InputError, match=r"start_from: .* have other shapes"):
        start(model=other, trained=trained)
