"""Short videos that the tests make."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage import data

from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.video import upscale_video

FFMPEG = shutil.which("ffmpeg")
COFFEE = data.coffee()
# Milliseconds between frames differ, as in the videos of telephones.
TIMES = (0, 40, 100, 130, 200, 240, 300, 310)


def write_clip(
    path: Path,
    *,
    width: int = 64,
    height: int = 48,
    pix_fmt: str = "yuv420p",
    colorspace: int = 1,
    full_range: bool = False,
    rotation: int = 0,
    audio: bool = False,
    frames: list[np.ndarray] | None = None,
    times: tuple[int, ...] = TIMES,
) -> Path:
    """Encodes a photograph that moves, or given frames of Y, Cb, Cr planes, without loss."""
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        context = stream.codec_context
        context.time_base = Fraction(1, 1000)
        context.colorspace = context.color_primaries = context.color_trc = colorspace
        context.color_range = 2 if full_range else 1
        if rotation:
            stream.set_display_rotation(rotation)
        sound = sink.add_stream("aac", rate=44100, layout="mono") if audio else None
        for i, time in enumerate(times):
            frame = frames[i] if frames else moved(i, width, height, pix_fmt, colorspace)
            if isinstance(frame, np.ndarray):
                frame = av.VideoFrame.from_ndarray(frame, format=pix_fmt)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
        if sound is not None:
            _add_sound(sink, sound)
    return path


def moved(i: int, width: int, height: int, pix_fmt: str, colorspace: int) -> av.VideoFrame:
    image = np.ascontiguousarray(np.roll(COFFEE[:height, :width], 2 * i, axis=1))
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    return frame.reformat(format=pix_fmt, dst_colorspace=colorspace, dst_color_range=1)


def _add_sound(sink, sound) -> None:
    for i in range(12):
        wave = np.sin(np.arange(1024) / 20 + i) * 8000
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts = 44100, 1024 * i
        sink.mux(sound.encode(frame))
    sink.mux(sound.encode(None))


def read_frames(path: Path) -> list[av.VideoFrame]:
    """Decodes all frames of a video."""
    with av.open(str(path)) as source:
        return list(source.decode(source.streams.video[0]))


def read_packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Returns times and content of the packets of the first stream of a kind."""
    with av.open(str(path)) as source:
        stream = next(s for s in source.streams if s.type == kind)
        packets = [p for p in source.demux(stream) if p.dts is not None]
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets]


def enlarge(
    source: Path, target: Path, size: Size | float = 2.0, advance=None, model="bicubic"
) -> list[str]:
    """Enlarges a video without loss, and returns the notes."""
    size = size if isinstance(size, Size) else Size(scale=size)
    settings = Settings(find_models(model), size, crf=0)
    return list(upscale_video(source, target, settings, advance).notes)


def remux(source: Path, target: Path, change) -> Path:
    """Copies the video of a file into another, which `change(sink, stream)` alters first."""
    with av.open(str(source)) as given, av.open(str(target), "w") as sink:
        stream = given.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        change(sink, copy)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                sink.mux(packet)
    return target


def ffmpeg(*words: object, check: bool = True) -> bytes:
    """Runs the program ffmpeg, and returns what it writes to stdout."""
    assert FFMPEG is not None
    command = [FFMPEG, "-v", "error", "-y", *map(str, words)]
    return subprocess.run(command, check=check, capture_output=True).stdout


def shown(path: Path, scale: int = 1) -> np.ndarray:
    """Returns the frames of a video of 64x48 pixels, or enlarged, as ffmpeg shows them."""
    flags = ("-sws_flags", "accurate_rnd+full_chroma_int", "-fps_mode", "passthrough")
    pixels = ffmpeg("-i", path, *flags, "-f", "rawvideo", "-pix_fmt", "rgb24", "-", check=False)
    return np.frombuffer(pixels, np.uint8).reshape(-1, scale * 48, scale * 64, 3).astype(float)
