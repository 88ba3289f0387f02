"""Damaged files of a workdir: one line and an exit code from every command, never a traceback."""

import json
import os
import random
import shutil
from pathlib import Path

import faults
import pytest

from subpixel.__main__ import main
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import run_command
from subpixel.sr.comparison.result import read_comparison
from subpixel.sr.config import QUICKSTART, load_config
from subpixel.sr.find import find_model
from subpixel.sr.training.records import read_records
from subpixel.sr.workdir import check_workdir, read_config

OPTIONS = ("--steps=10",)
# What a mutation puts into a JSON document in place of a value.
VALUES = (None, True, -1, 0, 1e400, float("nan"), "", "x", [], [[]], {}, {"a": 1}, 10**30, "\ud800")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged")
    faults.make_images(root)
    faults.finish(root, root / "intact", *OPTIONS)
    return root


def mutate(path: Path, rng: random.Random) -> None:
    """Cuts a file, changes some of its bytes, or changes a value of its JSON document."""
    content = bytearray(path.read_bytes())
    kind = rng.choice(("cut", "bytes", "value", "value"))
    if kind == "value" and path.suffix == ".json":
        document = json.loads(content)
        place, key = rng.choice(list(places(document)))
        if rng.random() < 0.3:
            del place[key]
        else:
            place[key] = rng.choice(VALUES)
        path.write_text(json.dumps(document))
        return
    if kind == "cut":
        del content[rng.randrange(len(content)) :]
    else:
        for _ in range(rng.choice((1, 4, 40))):
            content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def places(document):
    """Yields each container of a JSON document with each of its keys."""
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])


def read(workdir: Path, name: str) -> None:
    """Reads a file as the commands do: eval.py, export, a resumed training, a report."""
    if name == "metrics.jsonl":
        for record in read_records(workdir / name):
            assert type(record["step"]) is int
    elif name == "comparison.json":
        read_comparison(workdir / name)
    elif name == "config.json":
        read_config(workdir)
    elif name.startswith("weights"):
        find_model(str(workdir), 2)
    else:
        find_model(str(workdir), 2, checkpoint="last")


def fuzz(root: Path, folder: Path, count: int, seed: int) -> int:
    """Mutates files of the workdir `count` times and returns how many were refused."""
    rng, refused = random.Random(seed), 0
    intact, workdir = root / "intact", folder / "workdir"
    shutil.copytree(intact, workdir)
    checkpoint = max((intact / "checkpoints").iterdir(), key=lambda path: int(path.name))
    names = ["config.json", "metrics.jsonl", "comparison.json", "weights/subpixel.safetensors"]
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    inside = [str(path.relative_to(intact)) for path in files]
    for number in range(count):
        # Checkpoints are slow to read: each tenth mutation is of one of their files.
        name = rng.choice(inside) if number % 10 == 9 else rng.choice(names)
        try:
            if (workdir / name).stat().st_size:
                mutate(workdir / name, rng)
            read(workdir, name)
        except (InputError, OSError) as error:
            refused += 1
            if not str(error):
                pytest.fail(f"mutation {number} of {name} is refused without a word")
        except Exception as error:
            content = (workdir / name).read_bytes()
            pytest.fail(f"mutation {number} of {name}: {error!r}; content {content[:300]!r}")
        shutil.copyfile(intact / name, workdir / name)
    return refused


@pytest.mark.slow
def test_a_thousand_mutated_files_are_read_or_refused_in_one_sentence(root, tmp_path):
    assert fuzz(root, tmp_path, 1000, seed=1) > 100


def config(content: bytes):
    return lambda workdir: (workdir / "config.json").write_bytes(content)


def config_is_a_folder(workdir: Path) -> None:
    (workdir / "config.json").unlink()
    (workdir / "config.json").mkdir()


def records_are_no_json(workdir: Path) -> None:
    records = workdir / "metrics.jsonl"
    records.write_bytes(b"{}\nnull\n\x00\xff\n" + records.read_bytes())


def weights_are_cut(workdir: Path) -> None:
    weights = workdir / "weights" / "subpixel.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


DAMAGE = {
    "config cut": config(b'{"name": "a", "steps": 10, "upsam'),
    "config is a list": config(b"[]"),
    "config not UTF-8": config(b'{"name": "\xff"}'),
    "config deep": config(b"[" * 100_000),
    "config a folder": config_is_a_folder,
    "records not JSON": records_are_no_json,
    "checkpoint a file": lambda workdir: (workdir / "checkpoints" / "7").write_text(""),
    "weights cut": weights_are_cut,
}


@pytest.mark.parametrize("command", ["train", "evaluate", "export"])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_command_on_a_damaged_workdir_ends_in_one_line(
    root, tmp_path, monkeypatch, capsys, command, what
):
    workdir = tmp_path / "workdir"
    shutil.copytree(root / "intact", workdir)
    DAMAGE[what](workdir)
    words = {
        "train": faults.command(root, workdir, *OPTIONS)[2:],
        "evaluate": [
            str(workdir), "--scale=2", "--benchmarks", "test", f"--data-root={root}"
        ],
        "export": [str(workdir), "-o", str(tmp_path / "network.safetensors")],
    }[command]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["subpixel", command, *words])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    error = capsys.readouterr().err
    reads = what.startswith("config") or (what == "weights cut" and command != "train")
    if reads:
        assert ended.value.code == 2
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert str(workdir) in error
    else:
        assert ended.value.code == 0
        assert "Traceback" not in error


def test_a_workdir_whose_name_orbax_cannot_write_is_refused_before_the_training(tmp_path):
    with pytest.raises(InputError, match=r"has a name that is not UTF-8, .* another --workdir"):
        check_workdir(tmp_path / os.fsdecode(b"w\xe9"), load_config(QUICKSTART))
