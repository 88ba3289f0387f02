"""Checkpoints: which are kept, which are used, and the messages about damaged ones."""

import dataclasses
import io
import re
import shutil

import jax
import numpy as np
import pytest
from rich.console import Console
from test_training import ALONE, records_of, start
from test_training import run as train_tiny

from subpixel.sr._support.errors import InputError
from subpixel.sr.training.checkpoints import MANIFEST, Checkpoints, list_steps, restore
from subpixel.sr.training.state import RunState

EXPERIMENT = ALONE


def run(workdir):
    console = Console(file=io.StringIO(), width=400)
    return train_tiny(workdir, EXPERIMENT, console=console).run, console.file.getvalue()


def read(workdir, which="last"):
    console = Console(file=io.StringIO(), width=400)
    state = restore(workdir, EXPERIMENT, console, which)
    return state, console.file.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("trained")
    return workdir, run(workdir)[0]


@pytest.fixture
def workdir(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


def damage(folder, kind):
    """Damages the largest file of a checkpoint, or its manifest."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    path = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    match kind:
        case "truncated":
            path.write_bytes(content[:-10])
        case "flipped":
            content[len(content) // 2] ^= 0x10
            path.write_bytes(content)
        case "deleted":
            path.unlink()
        case "unfinished":
            (folder / MANIFEST).unlink()
        case "scribbled":
            (folder / MANIFEST).write_text('{"states": ')


DAMAGES = {
    "truncated": r"has \d+ of \d+ bytes",
    "flipped": "has other bytes than were written",
    "deleted": "is missing",
    "unfinished": "it was not finished",
    "scribbled": "MANIFEST.json cannot be read",
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(workdir, kind):
    damage(workdir / "checkpoints" / "12", kind)
    state, said = read(workdir)
    assert state.step == 8
    assert f"warning: checkpoint {workdir / 'checkpoints' / '12'} is skipped" in said
    assert said.count("\n") == 1
    assert re.search(DAMAGES[kind], said)


@pytest.mark.parametrize("kind", ["flipped", "unfinished"])
def test_training_resumes_from_the_one_before_and_ends_the_same(workdir, trained, kind):
    expected = records_of(workdir)
    damage(workdir / "checkpoints" / "12", kind)
    state, said = run(workdir)
    assert "resuming from step 8" in said
    jax.tree.map(np.testing.assert_array_equal, state.states, trained[1].states)
    assert records_of(workdir) == expected
    assert read(workdir)[0].step == 12


def test_where_none_is_left_the_run_says_so_and_nothing_is_removed(workdir):
    for step in list_steps(workdir / "checkpoints"):
        damage(workdir / "checkpoints" / str(step), "flipped")
    before = list_steps(workdir / "checkpoints")
    with pytest.raises(InputError, match=r"no checkpoint in .* can be used for 'last'.* remove"):
        run(workdir)
    assert list_steps(workdir / "checkpoints") == before


def test_a_run_killed_in_its_first_save_begins_again(workdir, trained):
    for step in list_steps(workdir / "checkpoints")[1:]:
        shutil.rmtree(workdir / "checkpoints" / str(step))
    damage(workdir / "checkpoints" / "12", "unfinished")
    state, said = run(workdir)
    assert "it was not finished" in said
    assert "resuming" not in said
    jax.tree.map(np.testing.assert_array_equal, state.states, trained[1].states)


def test_a_checkpoint_of_another_config_is_refused(workdir):
    other = dataclasses.replace(EXPERIMENT, seed=5)
    with pytest.raises(InputError, match=r"another config \(seed: 0 there, 5 here\)"):
        restore(workdir, other, Console(quiet=True))


def test_the_newest_and_the_best_are_kept_whatever_happens_in_between(workdir, tmp_path):
    start, _ = read(workdir)
    scores = {1: 20.0, 2: 25.0, 3: 22.0, 4: None, 5: 21.0, 6: None, 7: 24.0}
    folder = tmp_path / "kept"
    last = None
    for steps in ((1, 2, 3), (4, 5, 6, 7)):
        with Checkpoints(folder, EXPERIMENT, last) as checkpoints:
            for step in steps:
                validation = {} if scores[step] is None else {"subpixel": scores[step]}
                last = dataclasses.replace(start, step=step, validation=validation)
                checkpoints.save(last)
    assert list_steps(folder / "checkpoints") == [7, 6, 2]
    assert read(folder, "best")[0].step == 2
    assert read(folder, "last")[0].step == 7
    assert read(folder, "6")[0].step == 6
    with pytest.raises(InputError, match="for '5'; there are those of steps 7, 6, 2"):
        read(folder, "5")
    damage(folder / "checkpoints" / "2", "flipped")
    best, said = read(folder, "best")
    assert best.step == 7
    assert "has other bytes" in said


def test_a_checkpoint_is_the_state_of_its_step_while_training_continues(tmp_path):
    """A save holds a copy before the next step takes over the state's memory."""
    advance = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    state = dataclasses.replace(
        start(EXPERIMENT).state,
        params={"kernel": jax.numpy.zeros((2000, 1000))},
        ema={},
        opt_state=(),
    )
    begun = RunState(0, {"subpixel": state}, {}, {}, {}, {}, {})
    with Checkpoints(tmp_path, EXPERIMENT, None) as checkpoints:
        checkpoints.save(begun)
        for _ in range(20):
            state = advance(state)
    wanted = {"subpixel": state}
    saved = restore(tmp_path, EXPERIMENT, Console(quiet=True), states=wanted)
    np.testing.assert_array_equal(saved.states["subpixel"].params["kernel"], 0)
    np.testing.assert_array_equal(state.params["kernel"], 20)
