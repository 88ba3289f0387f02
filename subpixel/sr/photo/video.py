"""Enlarges videos frame by frame.

Frames stay in Y, Cb and Cr as they are stored: the network enlarges Y, which it was trained on,
and bicubic enlarges Cb and Cr. No colour is converted, so matrix and range stay as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import atomic_write
from subpixel.sr.photo.frames import FrameShape, enlarge_frame, planar_format
from subpixel.sr.photo.photographs import Settings, naming_input
from subpixel.sr.photo.reading import refuse_unreadable
from subpixel.sr.photo.video_streams import (
    ALPHA,
    add_copies,
    copied_streams,
    is_cover,
    left_out,
    pyav,
)

# The container that each suffix stands for in FFmpeg, and the encoder for its videos.
_CONTAINERS = {
    ".avi": ("avi", "libx264"),
    ".m4v": ("mp4", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mp4": ("mp4", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
VIDEO_SUFFIXES = frozenset(_CONTAINERS)
# A file that ends this many seconds earlier than its header states was cut.
_CUT_SECONDS = 1.0
# Limit of x264 and of libvpx.
_LARGEST_SIDE = 16384

Advance = Callable[[Path, float, float | None, int], None]


@dataclass(frozen=True)
class VideoEncoding:
    """How videos are encoded.

    Attributes:
      crf: the constant rate factor, 0 (lossless) to 51.
    """

    crf: int = 18

    def __post_init__(self):
        if not 0 <= self.crf <= 51:
            raise InputError(f"crf must be from 0 to 51; got {self.crf}")


def upscale_video(
    path: Path, target: Path, settings: Settings, encoding: VideoEncoding, advance: Advance
) -> Sequence[str]:
    """Enlarges a video; audio and subtitles are copied, and time stamps are kept.

    Args:
      path: the file.
      target: the file that is written; its suffix is the container.
      settings: models and size.
      encoding: of the result.
      advance: receives the file, the seconds done, all seconds, and the pixels just enlarged.

    Returns:
      Notes on the result for the user, one line each.

    Raises:
      InputError: naming the file, if it cannot be read, or its container cannot hold the result.
      OSError: if the system refuses to read or write.
    """
    av = pyav()
    if settings.consistent:
        raise InputError(f"{path}: consistent is for images only")
    if target.suffix.lower() not in _CONTAINERS:
        raise InputError(
            f"{target} has no suffix of a video: it must be one of {', '.join(sorted(_CONTAINERS))}"
        )
    if path.exists():
        refuse_unreadable(path)
    path.open("rb").close()
    with atomic_write(target) as part:
        try:
            with av.open(str(path)) as source:
                return _transcode(source, path, part, target, settings, encoding, advance)
        except av.error.FFmpegError as error:
            if part.exists() and part.stat().st_size and _is_of_system(error):
                raise OSError(f"{target} cannot be written: {error}") from None
            raise InputError(f"{path} is damaged or no video: {error.strerror}") from None


def _is_of_system(error: Exception) -> bool:
    return isinstance(error, OSError) and type(error).__name__ != "InvalidDataError"


def _transcode(
    source: Any,
    path: Path,
    part: Path,
    target: Path,
    settings: Settings,
    encoding: VideoEncoding,
    advance: Advance,
) -> list[str]:
    stream = next((video for video in source.streams.video if not is_cover(video)), None)
    if stream is None:
        raise InputError(f"{path} holds no video")
    frames = _Frames(source, stream, copied_streams(source, target), path)
    first = frames.first
    if round(first.rotation) % 180 == 90:
        # Width and height are those that the viewer sees.
        settings = replace(settings, size=settings.size.transposed())
    shape = FrameShape.of(first, settings.size)
    with naming_input(path):
        settings.stages(shape.width, shape.height)
    if max(shape.new_width, shape.new_height) > _LARGEST_SIDE:
        raise InputError(
            f"{path}: {shape.new_width}x{shape.new_height} is larger than the encoders allow, "
            f"{_LARGEST_SIDE} pixels a side: ask for less"
        )
    container, codec = _CONTAINERS[target.suffix.lower()]
    with pyav().open(str(part), "w", format=container) as sink:
        sink.metadata.update(source.metadata)
        sink.metadata["comment"] = _comment(source, settings, shape)
        output = _add_video(sink, codec, stream, first, shape, encoding)
        copied = add_copies(sink, source, path, target)
        _run(frames, sink, output, copied, shape, settings, path, advance)
    return [*shape.notes, *left_out(source, stream, first, target)]


def _comment(source: Any, settings: Settings, shape: FrameShape) -> str:
    from subpixel import __version__

    name = settings.model_name(shape.width, shape.height)
    # Matroska has its names in capitals.
    before = source.metadata.get("comment") or source.metadata.get("COMMENT") or ""
    return f"{before} subpixel {__version__}, model {name}".strip()


class _Frames:
    """The decoded frames and the other packets of a file, in the order of the file."""

    def __init__(self, source: Any, stream: Any, copied: list[Any], path: Path):
        self._source, self._stream, self._path = source, stream, path
        stream.thread_type = "AUTO"
        self._items = self._demux([stream, *copied])
        self._before: list[Any] = []
        for item in self._items:
            self._before.append(item)
            if _is_frame(item):
                self.first = item
                return
        raise InputError(f"{path} holds no frame that can be decoded")

    def _demux(self, streams: list[Any]) -> Iterator[Any]:
        for packet in self._source.demux(streams):
            if packet.stream.index == self._stream.index:
                yield from packet.decode()
            elif packet.dts is not None:
                yield packet
            elif packet.size and is_cover(packet.stream):
                packet.pts = packet.dts = 0
                yield packet

    def __iter__(self) -> Iterator[Any]:
        yield from self._before
        yield from self._items

    @property
    def seconds(self) -> float | None:
        """How long the video is, as its header states."""
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        return None if self._source.duration is None else self._source.duration / 1e6


def _is_frame(item: Any) -> bool:
    return hasattr(item, "planes")


def _add_video(
    sink: Any, codec: str, stream: Any, first: Any, shape: FrameShape, encoding: VideoEncoding
) -> Any:
    options = {"crf": str(encoding.crf)}
    options |= {"b:v": "0"} if codec == "libvpx-vp9" else {"preset": "medium"}
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    output = sink.add_stream(codec, rate=rate, options=options)
    output.width, output.height = shape.new_width, shape.new_height
    output.pix_fmt = shape.format
    context, given = output.codec_context, stream.codec_context
    # Time stamps are those of the input: frames may come at any distance.
    context.time_base = stream.time_base
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, name, getattr(given, name))
    if shape.full_range:
        context.color_range = 2
    if stream.sample_aspect_ratio:
        context.sample_aspect_ratio = stream.sample_aspect_ratio
    stale = ("encoder", ALPHA)
    output.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() not in stale})
    if first.rotation:
        output.set_display_rotation(first.rotation)
    return output


def _run(
    frames: _Frames,
    sink: Any,
    output: Any,
    copied: dict[int, Any],
    shape: FrameShape,
    settings: Settings,
    path: Path,
    advance: Advance,
) -> None:
    seconds, reached = frames.seconds, 0.0
    for item in frames:
        if not _is_frame(item):
            item.stream = copied[item.stream.index]
            sink.mux(item)
            continue
        if (item.width, item.height) != (shape.width, shape.height):
            raise InputError(
                f"{path} changes its size from {shape.width}x{shape.height} to {item.width}x"
                f"{item.height}: cut it into two files"
            )
        sink.mux(output.encode(_enlarged(item, shape, settings)))
        reached = max(reached, float(item.time or 0))
        advance(path, reached, seconds, shape.width * shape.height)
    sink.mux(output.encode(None))
    if seconds is not None and reached < seconds - _CUT_SECONDS:
        raise InputError(
            f"{path} was cut: it ends after {reached:.1f} of {seconds:.1f} seconds. Copy it again"
        )


def _enlarged(frame: Any, shape: FrameShape, settings: Settings) -> Any:
    if frame.format.name != planar_format(frame.format.name):
        time = frame.pts, frame.time_base
        frame = frame.reformat(format=planar_format(frame.format.name))
        frame.pts, frame.time_base = time
    planes = enlarge_frame([_values(plane, shape) for plane in frame.planes], shape, settings)
    result = pyav().VideoFrame(shape.new_width, shape.new_height, shape.format)
    for plane, values in zip(result.planes, planes, strict=True):
        _fill(plane, values)
    result.pts, result.time_base = frame.pts, frame.time_base
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(result, name, getattr(frame, name))
    return result


def _values(plane: Any, shape: FrameShape) -> np.ndarray:
    dtype = shape.dtype
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _fill(plane: Any, values: np.ndarray) -> None:
    rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
    rows[:, : plane.width] = values
    plane.update(rows)
