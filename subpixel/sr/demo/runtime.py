"""The files of ONNX Runtime Web: two of the npm package, checked against their digests."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from subpixel.sr._support.errors import InputError

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
# The smallest build: WebAssembly only, without WebGPU and WebGL. SHA-256 of each file.
DIGESTS = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
_REMEDY = (
    f"give the folder with {' and '.join(DIGESTS)}, or the archive that `npm pack {PACKAGE}` "
    "makes, as --runtime"
)


def runtime_files(source: Path | None = None) -> dict[str, bytes]:
    """Returns the files of ONNX Runtime Web by name, of a folder or an archive; None calls npm.

    Raises:
      InputError: if npm fails or a file is missing, damaged or of another version.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return runtime_files(_download(Path(folder)))
    contents = _read_folder(source) if source.is_dir() else _read_archive(source)
    for name, digest in DIGESTS.items():
        if hashlib.sha256(contents.get(name, b"")).hexdigest() != digest:
            raise InputError(
                f"{source} does not hold {name} of {PACKAGE}, whose SHA-256 is {digest}: {_REMEDY}"
            )
    return contents


def _download(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(f"npm is not installed: install Node.js, or {_REMEDY}")
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tgz"))
    if result.returncode or not archives:
        reason = next(
            (line for line in result.stderr.splitlines() if "npm notice" not in line), "no archive"
        )
        raise InputError(f"npm does not download {PACKAGE} ({reason}): {_REMEDY}")
    return archives[0]


def _read_folder(folder: Path) -> dict[str, bytes]:
    paths = {name: folder / name for name in DIGESTS}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def _read_archive(path: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            files = {
                name: archive.extractfile(members[name]) for name in DIGESTS if name in members
            }
            return {name: file.read() for name, file in files.items() if file is not None}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"{path} is not an archive of npm ({error}): {_REMEDY}") from error
