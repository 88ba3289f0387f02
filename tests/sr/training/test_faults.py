"""Runs that are killed, stopped, damaged and left without a disk: nothing is lost."""

import random
import signal
import subprocess

import faults
import pytest


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    faults.make_images(folder)
    return folder


STEPS = "--steps=60"


@pytest.fixture(scope="module")
def whole(root):
    """A run that nothing happened to."""
    faults.finish(root, root / "whole", STEPS)
    return root / "whole"


def test_a_killed_run_ends_as_if_it_had_not_been(root, whole):
    """At a random moment, in the middle of a save, and between a save and its manifest."""
    workdir = root / "killed"
    moments = (faults.in_a_save(2), faults.before_the_manifest, faults.after(random.random() / 2))
    killed = [faults.kill(root, workdir, moment, STEPS) for moment in moments]
    assert killed[0]
    faults.finish(root, workdir, STEPS)
    faults.assert_same_run(workdir, whole)


def test_ctrl_c_saves_and_the_same_command_resumes(root, whole):
    workdir = root / "stopped"
    code, printed = faults.interrupt(root, workdir, faults.in_a_save(1), signal.SIGINT, STEPS)
    assert code == 128 + signal.SIGINT
    assert "the same command resumes from there" in printed
    assert not (workdir / "weights").exists()
    assert "resuming from step" in faults.finish(root, workdir, STEPS)
    faults.assert_same_run(workdir, whole)


def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(root, whole, small_disk):
    workdir = small_disk / "run"
    ended = faults.train(root, workdir, STEPS)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert "No space left on device" in ended.stderr
    faults.metrics(workdir)
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    faults.finish(root, workdir, STEPS)
    faults.assert_same_run(workdir, whole)


@pytest.fixture
def small_disk(tmp_path):
    """A file system that a few checkpoints fill."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.slow
def test_a_run_killed_at_thirteen_moments_ends_as_if_it_had_not_been(root):
    steps = "--steps=1000"
    faults.finish(root, root / "long", steps)
    workdir = root / "long killed"
    moments = [faults.after(random.uniform(0, 2.5)) for _ in range(9)]
    moments += [faults.in_a_save(random.randrange(9)) for _ in range(2)]
    moments += [faults.before_the_manifest] * 2
    random.shuffle(moments)
    killed = [faults.kill(root, workdir, moment, steps) for moment in moments]
    assert sum(killed) >= 10
    faults.finish(root, workdir, steps)
    faults.assert_same_run(workdir, root / "long")
