"""Names what a file is by its first bytes, for messages about files of the wrong kind."""

_KINDS = (
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"\x1f\x8b", "compressed by gzip: decompress it first"),
    (b"BZh", "compressed by bzip2: decompress it first"),
    (b"\xfd7zXZ", "compressed by xz: decompress it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"MATLAB", "a MATLAB file"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself with `git lfs pull`"),
)
_TFLITE_OFFSET = 4
_TAR_OFFSET = 257


def describe_content(head: bytes) -> str:
    """Returns what a file is, such as "a PNG image", from its first 512 bytes."""
    if not head:
        return "empty"
    if head[_TAR_OFFSET : _TAR_OFFSET + 5] == b"ustar":
        return "a tar archive, as torch.save wrote before version 0.1.11: unpack it first"
    if head[_TFLITE_OFFSET : _TFLITE_OFFSET + 4] == b"TFL3":
        return "a TensorFlow Lite model"
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page: the download gave a page instead of the file"
    if b"onnx" in text[:64] or head[:1] == b"\x08":
        return "of an unknown kind, perhaps an ONNX model"
    try:
        shown = head[:40].decode("utf-8").split("\n")[0]
    except UnicodeDecodeError:
        return f"of an unknown kind, which begins with the bytes {head[:8].hex(' ')}"
    return f"text that begins with {shown!r}"


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins like safetensors: the length of a JSON header, then the header."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32
