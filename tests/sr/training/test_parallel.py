"""One experiment on one device, on several, and in several processes: the same run."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import faults
import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.checkpoints import list_steps
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig
from subpixel.sr.training.parallel import data_mesh, divide, processes, replicate
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import compile_step
from subpixel.sr.workdir import weights_file

# Adam: the number of devices changes the order of sums, and SOAP enlarges what that changes.
OPTIONS = (
    "--steps=100",
    "--data.batch-size=8",
    "--checkpoint-every=20",
    "--optimizer.name=adam",
    "--model.input-scale=1.6",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel")
    faults.make_images(folder)
    return folder


@pytest.fixture(scope="module")
def one(root):
    """The run on one device."""
    faults.finish(root, root / "one", *OPTIONS)
    return root / "one"


def start(root, workdir, count):
    """Starts the processes of a run, which find each other over loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"--coordinator=127.0.0.1:{free.getsockname()[1]}"
    return [
        subprocess.Popen(
            faults.command(
                root, workdir, *OPTIONS, coordinator, f"--process={number}/{count}", "--wait=120"
            ),
            env=faults.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]


def finish(root, workdir, count):
    """Trains in so many processes and returns what each of them printed."""
    with ExitStack() as stack:
        running = [stack.enter_context(process) for process in start(root, workdir, count)]
        printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * count, "\n".join(printed)
    return printed


def kill_one(root, workdir, count, moment):
    """Kills the last process when the moment has come, and the others as a launcher would."""
    with ExitStack() as stack:
        running = [stack.enter_context(process) for process in start(root, workdir, count)]
        while not moment() and all(process.poll() is None for process in running):
            time.sleep(0.001)
        running[-1].send_signal(signal.SIGKILL)
        time.sleep(0.5)
        for process in running[:-1]:
            process.kill()
        for process in running:
            process.communicate()
    assert running[-1].returncode == -signal.SIGKILL


def assert_close_runs(workdir, reference):
    """Checks the records and the parameters after the last step, to 1e-5."""
    found, expected = faults.metrics(workdir), faults.metrics(reference)
    assert [list(record) for record in found] == [list(record) for record in expected]
    for record, other in zip(found, expected, strict=True):
        assert record.pop("upsampler") == other.pop("upsampler")
        assert record == pytest.approx(other, rel=1e-5)
    found, expected = (
        load_weights(weights_file(w, "subpixel")).params for w in (workdir, reference)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected)


def test_eight_devices_are_one_run(root, one, monkeypatch):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "8")
    faults.finish(root, root / "eight", *OPTIONS)
    assert_close_runs(root / "eight", one)


def _steps(choices: OptimizerConfig) -> None:
    """Asserts that a mesh of either type of axis gives the steps of one device."""
    model = ESPCNConfig(scale=2, features=(4, 3))
    rng = np.random.default_rng(0)
    batch = {
        "lr": rng.integers(0, 256, (8, 8, 8, 1), np.uint8),
        "hr": rng.integers(0, 256, (8, 16, 16, 1), np.uint8),
    }
    config = TrainingConfig(model=model, optimizer=choices, steps=3)
    ended = []
    for kind in (None, AxisType.Auto, AxisType.Explicit):
        mesh = None if kind is None else data_mesh(8, kind)
        start = start_training(config, "subpixel")
        state, divided = replicate(start.state, mesh), divide(batch, mesh)
        step = compile_step(replace(start, state=state), divided, mesh, platform="cpu")
        for _ in range(3):
            state, _ = step(state, divided)
        ended.append(jax.device_get(state.params))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), ended[0], ended[1])
    jax.tree.map(np.testing.assert_array_equal, ended[1], ended[2])


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param("", marks=pytest.mark.slow, id="adam"),
        pytest.param("name='soap', damping=0.01, basis_every=2", id="soap"),
    ],
)
def test_both_types_of_mesh_axis_give_the_steps_of_one_device(choices):
    # The number of CPU devices is fixed when JAX starts.
    code = f"import {Path(__file__).stem} as t; t._steps(t.OptimizerConfig({choices}))"
    places = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4", "PYTHONPATH": places}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_two_processes_are_one_run_and_only_the_first_prints(root, one):
    first, second = finish(root, root / "two", 2)
    assert_close_runs(root / "two", one)
    assert "step 100" in first
    assert "step 100" not in second


@pytest.mark.slow
def test_four_processes_are_one_run(root, one):
    finish(root, root / "four", 4)
    assert_close_runs(root / "four", one)


@pytest.mark.slow
def test_one_of_two_processes_is_killed_and_the_run_resumes_exactly(root):
    finish(root, root / "whole", 2)
    workdir = root / "killed"
    for step in (20, 60):
        kill_one(root, workdir, 2, lambda step=step: step in list_steps(workdir / "checkpoints"))
        assert list_steps(workdir / "checkpoints")
    assert "resuming from step" in finish(root, workdir, 2)[0]
    faults.assert_same_run(workdir, root / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (2, 4)])
def test_checkpoints_of_some_processes_are_read_by_others(root, one, before, after):
    workdir = root / f"{before} then {after}"
    kill_one(root, workdir, before, lambda: 40 in list_steps(workdir / "checkpoints"))
    if after == 1:
        assert "resuming from step" in faults.finish(root, workdir, *OPTIONS)
    else:
        assert "resuming from step" in finish(root, workdir, after)[0]
    assert_close_runs(workdir, one)


def test_a_process_that_does_not_come_is_said_in_a_line(root):
    command = faults.command(root, root / "alone", "--coordinator=127.0.0.1:9", "--process=1/2")
    ended = subprocess.run([*command, "--wait=1"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: not all processes have met at the coordinator 127.0.0.1")
    assert ended.stderr.count("\n") == 1
    assert not (root / "alone").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("here", "0/2", 9), r'must be HOST:PORT or "auto"; got \'here\''),
        (("here:9", None, 9), "such as 0/4; got None"),
        (("here:9", "2/2", 9), "such as 0/4; got '2/2'"),
        ((None, "0/2", 9), "--process=0/2 needs --coordinator"),
        (("here:9", "0/2", 0), "--wait must be at least 1 second; got 0"),
    ],
)
def test_places_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(InputError, match=message), processes(*arguments):
        pass


def test_a_batch_that_the_devices_do_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    with pytest.raises(InputError, match=r"12, must be a multiple of the 8 devices .* such as 8"):
        data_mesh(12)
