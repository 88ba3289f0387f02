"""Archives that mean harm, or are damaged, and what is taken from good ones."""

import hashlib
import stat
import tarfile

import pytest
from packing import GOOD, MAKERS, make_tar, make_zip

from subpixel.sr.datasets import archives
from subpixel.sr.datasets.archives import ArchiveError, extract


@pytest.mark.parametrize("name", MAKERS)
def test_only_the_images_of_the_wanted_folders_are_taken(tmp_path, name):
    file = MAKERS[name](tmp_path / name, GOOD)
    extract(file, tmp_path / "out", {"HR": "Mine/HR", "LR": "Mine/LR"})
    found = {p.relative_to(tmp_path / "out").as_posix(): p for p in tmp_path.rglob("out/**/*.*")}
    contents = {key: path.read_bytes() for key, path in found.items() if path.is_file()}
    assert contents == {
        "Mine/HR/one.png": b"1",
        "Mine/HR/zwei ü.JPG": b"2",
        "Mine/LR/one.png": b"3",
    }


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("bad", ["../evil.png", "/evil.png", "HR/../../evil.png", "HR\\evil.png"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name, bad):
    file = MAKERS[name](tmp_path / name, {bad: b"evil"})
    with pytest.raises(ArchiveError, match="leads out of its folder"):
        extract(file, tmp_path / "out", {"": "Mine"})
    assert not list(tmp_path.rglob("*evil*"))


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("HR/two.png")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_file_are_refused(tmp_path, kind):
    file = make_tar(tmp_path / "a.tar", GOOD, link(kind))
    with pytest.raises(ArchiveError, match=r"HR/two\.png is a link or a device"):
        extract(file, tmp_path / "out", {"HR": "Mine"})


def test_links_and_secrets_in_a_zip_file_are_refused(tmp_path):
    file = make_zip(tmp_path / "a.zip", {"HR/one.png": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(ArchiveError, match="is a link or a device"):
        extract(file, tmp_path / "out", {"HR": "Mine"})
    body = bytearray(make_zip(tmp_path / "b.zip", {"HR/one.png": b"1"}).read_bytes())
    body[body.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(body)
    with pytest.raises(ArchiveError, match="is encrypted"):
        extract(tmp_path / "b.zip", tmp_path / "out", {"HR": "Mine"})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
@pytest.mark.parametrize("member", ["HR/one.png", "elsewhere.bin"])
def test_bombs_are_refused(tmp_path, monkeypatch, name, member):
    monkeypatch.setattr(archives, "CHUNK", 1 << 16)
    file = MAKERS[name](tmp_path / name, {member: bytes(8 << 20)})
    with pytest.raises(ArchiveError, match="more than 20 times its size"):
        extract(file, tmp_path / "out", {"HR": "Mine"})


@pytest.mark.parametrize("name", MAKERS)
def test_too_many_and_repeated_members_are_refused(tmp_path, monkeypatch, name):
    file = MAKERS[name](tmp_path / name, {"HR/one.png": b"1", "HR/./one.png": b"2"})
    with pytest.raises(ArchiveError, match=r"has one\.png twice"):
        extract(file, tmp_path / "out", {"HR": "Mine"})
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(ArchiveError, match="more than 1 members"):
        extract(file, tmp_path / "other", {"HR": "Mine"})


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_archives_and_those_without_images_are_named(tmp_path, name):
    images = {"HR/one.png": hashlib.shake_128(b"").digest(50_000)}
    file = MAKERS[name](tmp_path / name, images)
    with pytest.raises(ArchiveError, match="has no images in XX"):
        extract(file, tmp_path / "none", {"XX": "Mine"})
    file.write_bytes(file.read_bytes()[:30_000])
    with pytest.raises(ArchiveError, match=f"{name} is damaged"):
        extract(file, tmp_path / "out", {"HR": "Mine"})
    file.write_text("<html>Please log in</html>")
    with pytest.raises(ArchiveError, match=f"{name} is damaged"):
        extract(file, tmp_path / "out", {"HR": "Mine"})


def test_a_flipped_byte_in_a_packed_archive_is_noticed(tmp_path):
    for name in ("a.tgz", "a.zip"):
        file = MAKERS[name](tmp_path / name, {"HR/one.png": hashlib.shake_128(b"").digest(50_000)})
        body = bytearray(file.read_bytes())
        body[25_000] ^= 1
        file.write_bytes(body)
        with pytest.raises(ArchiveError, match="is damaged"):
            extract(file, tmp_path / f"{name}.out", {"HR": "Mine"})
