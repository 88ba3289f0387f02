"""Makes small archives for the tests of unpacking and installing."""

import io
import tarfile
import zipfile
from pathlib import Path


def make_tar(path: Path, members: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        for info in extra:
            file.addfile(info)
    return path


def make_zip(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return path


MAKERS = {"a.tar": make_tar, "a.tgz": make_tar, "a.zip": make_zip}
GOOD = {
    "./HR/one.png": b"1",
    "HR/zwei ü.JPG": b"2",
    "LR/one.png": b"3",
    "HR/._one.png": b"4",
    "HR/notes.txt": b"5",
}
