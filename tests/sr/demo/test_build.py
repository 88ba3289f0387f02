"""The folder of the page is complete, and what cannot be built is refused in one line."""

import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.demo import runtime
from subpixel.sr.demo.build import build_demo
from subpixel.sr.find import find_model
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.provenance import Provenance

CONTENTS = {"ort.wasm.bundle.min.mjs": b"module", "ort-wasm-simd-threaded.wasm": b"program"}


def _model() -> TrainedNetwork:
    return find_model("espcn_x3")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(runtime, "DIGESTS", digests)
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    return folder


def test_writes_page_models_and_runtime(files: Path, tmp_path: Path):
    output = tmp_path / "demo"
    size = build_demo([_model()], output, files)
    written = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    runtime_names = {"ort/ort.wasm.bundle.min.js", "ort/ort-wasm-simd-threaded.wasm"}
    assert runtime_names | {"models/espcn_x3.onnx", "index.html"} <= written
    assert not any(name.endswith(".mjs") for name in written)
    assert size == sum((output / name).stat().st_size for name in written)
    (model,) = json.loads((output / "models.json").read_text())["models"]
    assert model == {
        "name": "espcn_x3", "file": "models/espcn_x3.onnx", "scale": 3, "channels": 1, "radius": 4
    }  # fmt: skip


def test_an_earlier_demo_is_replaced_and_its_models_go(files: Path, tmp_path: Path):
    output = tmp_path / "demo"
    build_demo([_model()], output, files)
    (output / "models" / "old.onnx").write_bytes(b"old")
    renamed = replace(_model(), provenance=Provenance(name="mine"))
    build_demo([renamed], output, files)
    assert [path.name for path in (output / "models").iterdir()] == ["mine.onnx"]
    (model,) = json.loads((output / "models.json").read_text())["models"]
    assert model["file"] == "models/mine.onnx"


def test_a_folder_with_other_files_is_left_alone(files: Path, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        build_demo([_model()], tmp_path, files)
    with pytest.raises(InputError, match="is a file"):
        build_demo([_model()], tmp_path / "thesis.tex", files)
    with pytest.raises(InputError, match="two models have the name 'espcn_x3'"):
        build_demo([_model()] * 2, tmp_path / "demo", files)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "runtime"}


def test_runtime_from_an_archive_of_npm(files: Path, tmp_path: Path):
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in CONTENTS:
            tar.add(files / name, f"package/dist/{name}")
    assert runtime.runtime_files(archive) == CONTENTS


def test_a_changed_missing_or_damaged_runtime_is_refused(files: Path, tmp_path: Path):
    (files / "ort-wasm-simd-threaded.wasm").write_bytes(b"other")
    for _ in range(2):
        with pytest.raises(InputError, match=r"does not hold ort-wasm.*\.wasm of .*npm"):
            runtime.runtime_files(files)
        (files / "ort-wasm-simd-threaded.wasm").unlink(missing_ok=True)
    archive = tmp_path / "package.tgz"
    for content in (b"", b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(InputError, match="is not an archive of npm"):
            runtime.runtime_files(archive)
    with pytest.raises(InputError, match="is not an archive of npm"):
        runtime.runtime_files(tmp_path / "absent.tgz")


def test_without_npm_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"npm is not installed: install Node\.js, or give"):
        runtime.runtime_files()
