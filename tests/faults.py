"""Trainings in separate processes, for tests that kill them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from PIL import Image
from rich.console import Console

from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.checkpoints import MANIFEST, list_steps, restore
from subpixel.sr.training.records import WALL_CLOCK
from subpixel.sr.workdir import read_config, weights_file

ROOT = Path(__file__).parent.parent
Moment = Callable[[Path], bool]


def make_images(folder: Path) -> None:
    """Writes small images to train on and to measure on."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 3), ("test", 1)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def command(root: Path, workdir: Path, *options: str) -> list[str]:
    """Returns the command of a training of a small network that saves every five steps."""
    return [
        sys.executable, str(ROOT / "train.py"), f"--workdir={workdir}", f"--data-root={root}",
        "--data.train", "train", "--data.benchmarks", "test", "--upsamplers=subpixel",
        "--model.scale=2", "--model.features", "4", "3", "--data.batch-size=2",
        "--data.patch-size=8", "--optimizer.warmup-steps=5", "--log-every=3",
        "--validate-every=10", "--checkpoint-every=5", *options,
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """Returns an environment with long console lines, and pytest's cache of compiled programs."""
    return {**os.environ, "COLUMNS": "400"}


def train(root: Path, workdir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Trains until it ends."""
    return subprocess.run(
        command(root, workdir, *options), env=environment(), capture_output=True, text=True
    )


def finish(root: Path, workdir: Path, *options: str) -> str:
    """Trains to the end and returns what was printed."""
    done = train(root, workdir, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def interrupt(root: Path, workdir: Path, moment: Moment, number: int, *options: str) -> tuple:
    """Trains, sends a signal at a moment, and returns the exit code and the printed lines."""
    with subprocess.Popen(
        command(root, workdir, *options),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None and not moment(workdir):
            time.sleep(0.0005)
        process.send_signal(number)
        printed, _ = process.communicate()
    return process.returncode, printed


def kill(root: Path, workdir: Path, moment: Moment, *options: str) -> bool:
    """Trains and kills the process at a moment; returns whether it was still running."""
    code, _ = interrupt(root, workdir, moment, signal.SIGKILL, *options)
    return code == -signal.SIGKILL


def after(seconds: float) -> Moment:
    """Returns the moment some seconds after the first output file of the training."""
    began: list[float] = []

    def moment(workdir: Path) -> bool:
        if not began and any((workdir / "tensorboard").glob("*")):
            began.append(time.perf_counter())
        return bool(began) and time.perf_counter() - began[0] >= seconds

    return moment


def in_a_save(count: int) -> Moment:
    """Returns the moment when Orbax writes a checkpoint: the first one after `count` others."""
    seen: set[str] = set()

    def moment(workdir: Path) -> bool:
        seen.update(path.name for path in (workdir / "checkpoints").glob("*tmp*"))
        return len(seen) > count

    return moment


def before_the_manifest(workdir: Path) -> bool:
    """Whether Orbax has committed a checkpoint whose manifest does not exist yet."""
    folder = workdir / "checkpoints"
    steps = list_steps(folder)
    return len(steps) > 1 and not (folder / str(steps[0]) / MANIFEST).exists()


def final_state(workdir: Path) -> dict:
    """Returns the contents of the last checkpoint without the times."""
    run = restore(workdir, read_config(workdir), Console(quiet=True))
    assert run is not None
    return {**vars(run), "seconds": None}


def metrics(workdir: Path) -> list[dict]:
    """Returns the records of metrics.jsonl without the times; an incomplete line is an error."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [{k: v for k, v in record.items() if k not in WALL_CLOCK} for record in records]


def assert_same_run(workdir: Path, whole: Path) -> None:
    """Checks that parameters, optimiser, average, data position and records are bit-identical."""
    jax.tree.map(np.testing.assert_array_equal, final_state(workdir), final_state(whole))
    found, expected = (load_weights(weights_file(w, "subpixel")) for w in (workdir, whole))
    jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)
    assert metrics(workdir) == metrics(whole)
