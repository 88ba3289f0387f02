"""Models of the Hugging Face Hub, against a server on this machine that answers like it."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

import subpixel.sr
from subpixel.__main__ import main
from subpixel.sr import hub
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.find import find_model
from subpixel.sr.hub import load_hub_folder, save_hub_folder
from subpixel.sr.models.released import load_released, released_files
from subpixel.sr.models.weights import save_weights

MODEL = "espcn_x3"
NAME = "hf://someone/espcn-x3"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TAG = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / MODEL
    assert main_with("models", "hub", MODEL, str(folder)) == 0
    return folder


def main_with(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["subpixel", *arguments])
        return main()


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in saved.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers for one repository: its list of files, and the files of a commit."""

    protocol_version = "HTTP/1.1"
    folder: Path
    cut: bool
    seen: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        revisions = {"main": COMMIT, COMMIT: COMMIT, "v1": TAG, TAG: TAG}
        parts = self.path.partition("?")[0].strip("/").split("/")
        match parts:
            case ["api", "models", "someone", "espcn-x3", *kind, revision]:
                if revision not in revisions:
                    return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
                if kind == ["revision"]:
                    files = [{"rfilename": path.name} for path in self.folder.iterdir()]
                    facts = {"id": "someone/espcn-x3", "sha": revisions[revision]}
                    return self.answer(200, json.dumps({**facts, "siblings": files}).encode())
                assert kind == ["tree"]
                entries = [
                    {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
                    for p in self.folder.iterdir()
                ]
                return self.answer(200, json.dumps(entries).encode())
            case ["someone", "espcn-x3", "resolve", revision, file]:
                content = (self.folder / file).read_bytes()
                headers = {"ETag": f'"{file}"', "X-Repo-Commit": revisions[revision]}
                return self.answer(200, content, headers)
            case _:
                return self.answer(401, b"", {"X-Error-Code": "RepoNotFound"})

    def answer(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if self.cut else content)
            self.close_connection = self.cut

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, type[HubHandler]]]:
    constants = pytest.importorskip(
        "huggingface_hub.constants", reason="huggingface_hub is not installed"
    )

    class Handler(HubHandler):
        cut = False
        seen: list[str] = []  # noqa: RUF012

    Handler.folder = folder
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        # What HF_ENDPOINT sets where it is read, at the import.
        url = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        yield address, Handler
        server.shutdown()
        thread.join()


def assert_same_network(found: Any) -> None:
    expected = load_released(MODEL)
    assert (found.config, found.upsampler) == (expected.config, expected.upsampler)
    assert found.provenance == expected.provenance
    jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)


def test_folder_holds_weights_facts_and_card(saved: Path):
    assert sorted(path.name for path in saved.iterdir()) == [hub.CARD, hub.CONFIG, hub.WEIGHTS]
    weights, _, card = released_files(MODEL)
    assert (saved / hub.WEIGHTS).read_bytes() == weights.read_bytes()
    facts = json.loads((saved / hub.CONFIG).read_text())
    assert facts["library_name"] == "subpixel"
    assert facts["parameters"] == 22_729
    assert (saved / hub.CARD).read_text() == (
        '---\nlibrary_name: subpixel\nlicense: "apache-2.0"\npipeline_tag: image-to-image\n'
        "tags: [super-resolution, jax, flax]\n---\n\n" + card.read_text()
    )


def test_folder_is_a_model_everywhere(saved: Path):
    assert_same_network(find_model(str(saved)))
    x = np.random.default_rng(0).random((1, 5, 6, 1), dtype=np.float32)
    y = subpixel.sr.load(str(saved))(x)
    np.testing.assert_array_equal(y, subpixel.sr.load(MODEL)(x))
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(
        subpixel.sr.upscale(pixels, model=str(saved)), subpixel.sr.upscale(pixels, model=MODEL)
    )
    with pytest.raises(InputError, match=r"only a workdir of train\.py has checkpoints"):
        find_model(str(saved), checkpoint="best")


def test_other_weights_get_a_card_of_their_own(tmp_path: Path):
    network = ESPCNConfig(scale=2, features=(4, 4)).build("zero_insert", seed=0)
    params = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    # A file may have the name of a released model.
    path = tmp_path / f"{MODEL}.safetensors"
    save_weights(path, params, ESPCNConfig(scale=2, features=(4, 4)), "zero_insert")
    save_hub_folder(find_model(str(path)), tmp_path / "folder")
    found = load_hub_folder(tmp_path / "folder")
    jax.tree.map(np.testing.assert_array_equal, found.params, params)
    assert found.upsampler == "zero_insert"
    card = (tmp_path / "folder" / hub.CARD).read_text()
    assert "license" not in card
    assert "Enlarges images 2 times. Network `espcn`" in card


def test_folder_with_files_is_not_written_into(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty: name a new one"):
        save_hub_folder(load_released(MODEL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def change(folder: Path, **values: Any) -> None:
    path = folder / hub.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def write(file: str, content: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / file).write_bytes(content)


POINTER = b"version https://git-lfs.github.com/spec/v1\n"
FAULTS = {
    "no config.json": (lambda f: (f / hub.CONFIG).unlink(), r"config\.json cannot be read"),
    "config.json is no JSON": (write(hub.CONFIG, b"{"), r"config\.json cannot be read"),
    "of another library": (lambda f: change(f, library_name="timm"), "'subpixel'; got 'timm'"),
    "a field too many": (lambda f: change(f, epochs=3), "has no field epochs: remove it"),
    "a pointer of Git LFS": (write(hub.WEIGHTS, POINTER), "is not the file that .* describes"),
    "another network": (
        lambda f: change(f, parameters=1),
        r"model\.safetensors holds another network than .*config\.json states",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_folder_is_refused(folder: Path, fault: str):
    damage, message = FAULTS[fault]
    damage(folder)
    with pytest.raises(InputError, match=message):
        find_model(str(folder))


def test_network_comes_from_the_server_once(
    server: tuple[str, type[HubHandler]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, handler = server
    found = find_model(NAME, scale=3)
    assert found.name == NAME
    assert_same_network(found)
    fetched = {line.rpartition("/")[2] for line in handler.seen if line.startswith("GET /someone")}
    # The Hub counts downloads of config.json; the card is not needed.
    assert fetched == {hub.CONFIG, hub.WEIGHTS}
    handler.seen.clear()
    assert_same_network(find_model(NAME))
    assert [line for line in handler.seen if line.startswith("GET /someone")] == []
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(
        subpixel.sr.upscale(pixels, model=NAME), subpixel.sr.upscale(pixels, model=MODEL)
    )
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert_same_network(find_model(NAME))
    # What was downloaded is a folder in the same layout.
    snapshot = tmp_path / "cache/models--someone--espcn-x3/snapshots" / COMMIT
    assert_same_network(find_model(str(snapshot)))


def test_revision_is_asked_for(server: tuple[str, type[HubHandler]]):
    _, handler = server
    assert_same_network(find_model(f"{NAME}@v1"))
    assert f"GET /someone/espcn-x3/resolve/{TAG}/{hub.WEIGHTS}" in handler.seen


def test_command_takes_the_name_with_hf_endpoint(
    server: tuple[str, type[HubHandler]], tmp_path: Path
):
    output = tmp_path / "espcn.safetensors"
    environment = {"HF_ENDPOINT": server[0], "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "subpixel", "export", NAME, "-o", str(output)]
    subprocess.run(command, env={**os.environ, **environment}, check=True)
    expected = load_released(MODEL).params
    jax.tree.map(np.testing.assert_array_equal, find_model(str(output)).params, expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://someone/else", "the Hub has no model someone/else, or it is private: see `hf auth"),
        (f"{NAME}@v2", "cannot be downloaded: .*v2"),
        ("hf://someone/bad--name", "cannot be downloaded: .*bad--name"),
        ("hf://someone", "is hf://OWNER/NAME or hf://OWNER/NAME@REVISION; got 'hf://someone'"),
        ("hf://a/b/c", "is hf://OWNER/NAME or .* got 'hf://a/b/c'"),
        ("hf://a/b@", "is hf://OWNER/NAME or .* got 'hf://a/b@'"),
        ("hf://", "is hf://OWNER/NAME or .* got 'hf://'"),
    ],
)
def test_what_is_not_there_is_one_line(
    server: tuple[str, type[HubHandler]], name: str, message: str
):
    with pytest.raises(InputError, match=message) as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


def test_repository_without_weights_is_refused(server: tuple[str, type[HubHandler]], folder: Path):
    (folder / hub.WEIGHTS).rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"has no model\.safetensors: it must be a model of"):
        find_model(NAME)


@pytest.mark.parametrize("cut", [True, False])
def test_a_server_that_breaks_off_or_is_away_is_one_line(
    server: tuple[str, type[HubHandler]], monkeypatch: pytest.MonkeyPatch, cut: bool
):
    server[1].cut = cut
    if not cut:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=f"{NAME} cannot be downloaded: "):
        find_model(NAME)


def test_other_options_are_refused_before_the_download(server: tuple[str, type[HubHandler]]):
    for options in ({"checkpoint": "best"}, {"activation": "relu"}):
        with pytest.raises(InputError, match=r"only a workdir|is for PyTorch checkpoints"):
            find_model(NAME, **options)
    assert server[1].seen == []


def test_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'subpixel\[hub\]'"):
        find_model(NAME)
