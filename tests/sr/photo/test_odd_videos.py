"""Odd, cut and changed videos: the right pixels by ffmpeg's own reading, or one line."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
from clips import FFMPEG, enlarge, ffmpeg, shown

from subpixel.sr._support.errors import InputError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed"),
]
# Generators of ffmpeg and encoders in MKV.
SOURCES = ("smptebars", "testsrc", "mandelbrot", "rgbtestsrc", "gradients")
CODECS = ("ffv1", "libx264", "mpeg4", "libvpx-vp9", "mjpeg", "huffyuv", "utvideo", "prores_ks")


def make(path: Path, source: str, *options: object) -> bool:
    """Makes a video, and returns whether ffmpeg can."""
    path.unlink(missing_ok=True)
    generator = f"{source}=size=64x48:rate=10"
    ffmpeg("-f", "lavfi", "-i", generator, "-t", 0.3, *options, path, check=False)
    return path.exists() and path.stat().st_size > 0


def refusal(source: Path, target: Path) -> str:
    """Enlarges a video; returns the line that refuses it, or ""."""
    target.unlink(missing_ok=True)
    line = ""
    try:
        enlarge(source, target)
    except InputError as error:
        line = str(error)
    assert target.exists() == (not line)
    assert len(line.splitlines()) <= 1
    assert not line or str(source) in line
    return line


def assert_right(source: Path, target: Path) -> None:
    """Compares means of 8x8 pixels, which bicubic keeps, also where chroma has half the samples."""
    before, after = (
        values.reshape(len(values), 6, 8 * r, -1, 8 * r, 3).mean(axis=(2, 4))
        for values, r in ((shown(source), 1), (shown(target, 2), 2))
    )
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 3


def test_every_pixel_format_in_matroska(tmp_path):
    listed = ffmpeg("-pix_fmts").decode()
    # Flags: input, output, hardware, palette, bit stream.
    names = re.findall(r"^IO\.\S\S (\S+)", listed, re.MULTILINE)
    assert len(names) > 100
    right, refused = [], []
    for name in names:
        path = tmp_path / f"{name}.mkv"
        codec = "rawvideo" if name in ("yuyv422", "uyvy422", "nv12", "rgb24", "bgr24") else "ffv1"
        if make(path, "smptebars", "-c:v", codec, "-pix_fmt", name, "-strict", "-1"):
            if line := refusal(path, tmp_path / "enlarged.mkv"):
                assert "has the pixel format" in line
                refused.append(name)
            else:
                assert_right(path, tmp_path / "enlarged.mkv")
                right.append(name)
    for name in ("yuv420p", "yuv422p10le", "yuv444p", "yuvj420p", "nv12", "gray", "bgr0", "rgb24"):
        assert name in right
    for name in ("yuv411p", "yuv420p12le", "gray16le", "gbrp12le"):
        assert name in refused


def mutated(content: bytes, rng: random.Random) -> bytes:
    body = bytearray(content)
    how = rng.choice(("cut", "bytes", "bytes", "remove", "repeat"))
    start = rng.randrange(1, len(body))
    if how == "cut":
        return bytes(body[:start])
    if how == "bytes":
        for _ in range(rng.choice((1, 4, 32))):
            body[rng.randrange(len(body))] = rng.randrange(256)
    elif how == "remove":
        del body[start : start + rng.randrange(1, 200)]
    else:
        body[start:start] = body[start : start + 200]
    return bytes(body)


def test_mutated_videos_end_in_a_video_or_in_one_line(tmp_path):
    """Their pixels are not compared: ffmpeg and PyAV repair damaged frames differently."""
    rng, whole = random.Random(0), []
    for index, codec in enumerate(CODECS):
        source = SOURCES[index % len(SOURCES)]
        for suffix in ("mkv", "mp4", "mov", "avi", "webm"):
            path = tmp_path / f"{codec}.{suffix}"
            if make(path, source, "-c:v", codec, "-strict", "-1"):
                whole.append(path)
    assert len(whole) >= 20
    refused = 0
    for number in range(100):
        original = whole[number % len(whole)]
        path = tmp_path / f"mutated{original.suffix}"
        path.write_bytes(mutated(original.read_bytes(), rng))
        refused += bool(refusal(path, tmp_path / "enlarged.mkv"))
    assert 10 < refused < 90
