"""Archives that mean harm, or are damaged: nothing is written outside, and the reason is named."""

import hashlib
import tarfile
from pathlib import Path

import pytest
from packing import GOOD, MAKERS, make_tar

from subpixel.sr.datasets.download import DownloadError, extract


@pytest.mark.parametrize("name", MAKERS)
def test_the_members_are_written(tmp_path, name):
    extract(MAKERS[name](tmp_path / name, GOOD), tmp_path / "out")
    for member, content in GOOD.items():
        assert (tmp_path / "out" / member).read_bytes() == content


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("bad", ["../evil.png", "/evil.png", "HR/../../evil.png", "//evil.png"])
def test_nothing_is_written_outside_the_folder(tmp_path, name, bad):
    file = MAKERS[name](tmp_path / name, {bad: b"evil"})
    folder = tmp_path / "a" / "b"
    try:
        extract(file, folder)
    except DownloadError as error:
        assert "outside the destination" in str(error)  # noqa: PT017
    found = [*tmp_path.rglob("*evil*"), *Path("/").glob("evil*")]
    assert all(path.is_relative_to(folder) for path in found)


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("HR/two.png")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../../passwd"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_out_of_the_folder_and_devices_are_refused(tmp_path, kind, target):
    file = make_tar(tmp_path / "a.tar", GOOD, link(kind, target))
    with pytest.raises(DownloadError, match=r"a\.tar is damaged, or no zip or tar file that is"):
        extract(file, tmp_path / "out")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("damage", ["cut", "page", "flipped", "encrypted"])
def test_damaged_archives_are_named(tmp_path, name, damage):
    images = {"HR/one.png": hashlib.shake_128(b"").digest(50_000)}
    file = MAKERS[name](tmp_path / name, images)
    body = bytearray(file.read_bytes())
    if damage == "cut":
        del body[30_000:]
    elif damage == "page":
        body = bytearray(b"<html>Please log in</html>")
    elif damage == "flipped":
        if name == "a.tar":
            pytest.skip("a tar file has no checksum of its contents")
        body[25_000] ^= 1
    else:
        if name != "a.zip":
            pytest.skip("only zip files are encrypted")
        body[body.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(body)
    with pytest.raises(DownloadError, match=f"{name} is damaged"):
        extract(file, tmp_path / "out")
