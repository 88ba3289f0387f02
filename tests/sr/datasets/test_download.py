"""Downloads over a real HTTP server that misbehaves, and sets that are installed from it."""

import gzip
import hashlib
import http.server
import io
import re
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from packing import GOOD, make_tar
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.cli import data_download
from subpixel.sr.data import catalogue
from subpixel.sr.data.catalogue import Archive
from subpixel.sr.datasets import download
from subpixel.sr.datasets.digests import known_digests
from subpixel.sr.datasets.download import DownloadError, fetch
from subpixel.sr.datasets.install import choose_archives, install

CONTENT = bytes(range(256)) * 4096


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the server's attributes tell."""

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if self.path == "/moved":
            return self.answer(302, {"Location": "/file"})
        if self.path != "/file":
            return self.answer(404, {})
        if server.failures:
            server.failures -= 1
            return self.answer(503, {})
        body = server.content
        self.answer(200, {"Content-Length": str(len(body))} if server.length else {})
        self.wfile.write(body[: server.cuts.pop(0) if server.cuts else len(body)])
        return None

    def answer(self, code, headers):
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """Serves CONTENT at /file; `cuts` are the bytes after which connections drop."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda request, address: None
        server.content, server.length = CONTENT, True
        server.cuts, server.failures, server.requests = [], 0, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def archive(server, path="/file", **fields):
    return Archive(server.url + path, {"": "Mine"}, **fields)


def get(server, folder, path="/file", **fields):
    fields = {"digest": sha256(CONTENT)} | fields
    return fetch(archive(server, path, **fields), folder)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Pooch waits seconds between its attempts."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


@pytest.mark.parametrize("path", ["/file", "/moved"])
def test_a_connection_that_breaks_off_starts_anew(server, tmp_path, path):
    server.cuts = [1000, 300_000]
    assert get(server, tmp_path, path).read_bytes() == CONTENT
    assert len(server.requests) == (3 if path == "/file" else 6)
    assert [file.name for file in tmp_path.iterdir()] == [path[1:]]


def test_a_connection_that_breaks_off_again_and_again_is_named(server, tmp_path):
    server.cuts = [2000] * download.ATTEMPTS
    with pytest.raises(
        DownloadError, match=r"/file cannot be reached or broke off, 5 times: .*2000"
    ):
        get(server, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [True, False])
def test_progress_ends_with_all_bytes(server, tmp_path, length):
    server.length, seen = length, []
    fetch(archive(server), tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (len(CONTENT), len(CONTENT) if length else None) in seen


def test_an_archive_that_is_there_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    server.failures = 2
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_what_is_not_the_file_leaves_nothing(server, tmp_path):
    with pytest.raises(DownloadError, match=r"5 times: 404 Client Error: Not Found .*/gone"):
        get(server, tmp_path, "/gone")
    assert len(server.requests) == download.ATTEMPTS
    with pytest.raises(DownloadError, match=r"gave another content than expected .sha256:e3b0"):
        get(server, tmp_path, digest=sha256(b""))
    assert len(server.requests) == download.ATTEMPTS + 1
    assert not list(tmp_path.iterdir())


def test_nobody_there_is_one_line(tmp_path):
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/file"):
        fetch(Archive("http://127.0.0.1:9/file", {}), tmp_path)


def test_a_full_disk_is_named(server, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pooch.core.temporary_file", lambda path: nullcontext("/dev/full"))
        with pytest.raises(OSError, match=r"No space left on device: '.*file'"):
            get(server, tmp_path)


def test_a_set_is_installed_whole_or_not_at_all(server, tmp_path):
    server.content = make_tar(tmp_path / "good.tgz", GOOD).read_bytes()
    wanted = Archive(f"{server.url}/file", {"HR": "Set/HR", "LR": "Set/LR"})
    root = tmp_path / "root"
    root.mkdir()
    assert install(wanted, root) == [root / "Set/HR", root / "Set/LR"]
    assert sorted(p.name for p in root.rglob("*.*")) == ["one.png", "one.png", "zwei ü.JPG"]
    server.requests.clear()
    assert install(wanted, root) == []
    assert not server.requests

    twice = {"HR/one.png": b"1", "HR/more/one.png": b"2"}
    for content, places, message in (
        (gzip.compress(b"not a tar file"), {"HR": "Other"}, "is damaged"),
        (make_tar(tmp_path / "a.tar", GOOD).read_bytes(), {"XX": "Other"}, "no images in XX"),
        (make_tar(tmp_path / "b.tar", twice).read_bytes(), {"": "Other"}, r"has one\.png twice"),
    ):
        server.content = content
        with pytest.raises(DownloadError, match=message):
            install(Archive(f"{server.url}/file", places), root)
        assert [path.name for path in root.iterdir()] == ["Set"]


def test_every_archive_is_of_a_set_and_every_set_says_how_it_is_had():
    used = {name for entry in catalogue.SETS.values() for name in (*entry.archives, *entry.lower)}
    assert used == set(catalogue.ARCHIVES)
    for name, entry in catalogue.ARCHIVES.items():
        assert entry.file == name
        assert entry.url.startswith("https://")
        assert bool(entry.stated_by) == bool(entry.digest)
        if entry.digest:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", entry.digest)
    for entry in catalogue.SETS.values():
        assert bool(entry.archives) != bool(entry.by_hand)


def test_archives_are_chosen_once_and_lr_images_on_request():
    berkeley = choose_archives(catalogue.find_sets("BSDS500"), {}, (), ())
    assert [entry.file for entry in berkeley] == ["BSR_bsds500.tgz"]
    both = choose_archives(catalogue.find_sets("DIV2K/valid"), {}, ["unknown"], [2, 4])
    assert [entry.file for entry in both] == [
        "DIV2K_valid_HR.zip",
        "DIV2K_valid_LR_unknown_X2.zip",
        "DIV2K_valid_LR_unknown_X4.zip",
    ]
    assert both[1].places == {"DIV2K_valid_LR_unknown/X2": "DIV2K/DIV2K_valid_LR_unknown/X2"}
    present = {"DIV2K/valid": Path("DIV2K_valid_HR")}
    [beside] = choose_archives(catalogue.find_sets("DIV2K/valid"), present, ["bicubic"], [3])
    assert beside.places == {"DIV2K_valid_LR_bicubic/X3": "DIV2K_valid_LR_bicubic/X3"}
    with pytest.raises(InputError, match="Set5 is published without these LR images"):
        choose_archives(catalogue.find_sets("Set5"), {}, ["bicubic"], [2])
    with pytest.raises(InputError, match=r"Manga109 cannot be downloaded .* after a form"):
        choose_archives(catalogue.find_sets("Manga109"), {}, (), ())


def test_the_command_downloads_unpacks_and_verifies(server, tmp_path, monkeypatch, capsys):
    images = {}
    for name in known_digests("Set5"):
        content = io.BytesIO()
        Image.new("RGB", (8, 8)).save(content, "PNG")
        images[f"Set5_HR/{name}.png"] = content.getvalue()
    server.content = make_tar(tmp_path / "set.tgz", images).read_bytes()
    wanted = Archive(f"{server.url}/file", {"": "Set5"})
    monkeypatch.setitem(catalogue.ARCHIVES, "Set5_HR.tar.gz", wanted)
    root = tmp_path / "root"
    root.mkdir()
    for first in ("file: nobody states its digest", "Set5: there already, in "):
        assert data_download.run(data_download.Options("Set5", data_root=root)) == 1
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith(first) for line in lines)
        assert "Set5: other content, 5 of 5 images" in lines[-6]
        assert lines[-5] == "  other content: baby: 8x8 pixels instead of 512x512"
    assert len(server.requests) == 1
    (root / "Set5" / "baby.png").unlink()
    with pytest.raises(InputError, match=r"Set5 in .* is half copied: move it away"):
        data_download.run(data_download.Options("Set5", data_root=root))
