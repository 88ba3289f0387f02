"""Enlarges videos frame by frame.

Frames stay in Y, Cb and Cr as they are stored: the network enlarges Y, which it was trained on,
and bicubic enlarges Cb and Cr. No colour but RGB is converted, so matrix and range stay.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import atomic_write
from subpixel.sr.photo.frames import (
    FULL_RANGE,
    TRANSPARENCY,
    FrameShape,
    enlarge_frame,
    frame_shape,
    planes_of_rgb,
    refuse_interlaced,
)
from subpixel.sr.photo.metadata import software
from subpixel.sr.photo.photographs import Settings, naming_input
from subpixel.sr.photo.reading import refuse_unreadable
from subpixel.sr.photo.video_streams import (
    ALPHA,
    CONTAINERS,
    add_copies,
    has_alpha,
    is_cover,
    left_out,
    pyav,
)

# The containers that are read only, and what results are written in: it holds their audio.
_READ_ONLY = {
    ".3gp": ".mov",
    ".avi": ".mkv",
    ".m2ts": ".mkv",
    ".mpeg": ".mkv",
    ".mpg": ".mkv",
    ".mts": ".mkv",
    ".wmv": ".mkv",
}
VIDEO_SUFFIXES = frozenset(CONTAINERS) | frozenset(_READ_ONLY)
# A file that ends this many seconds earlier than its header states was cut. Other containers state
# no duration: FFmpeg estimates it.
_CUT_SECONDS = 1.0
_STATE_DURATION = ("mov", "matroska", "avi", "asf")
# Limit of x264 and of libvpx.
_LARGEST_SIDE = 16384

Advance = Callable[[float, float | None, int], None]


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


def result_suffix(suffix: str) -> str:
    """Returns the suffix of the enlarged video: its own if that container is written."""
    return _READ_ONLY.get(suffix.lower(), suffix)


def video_size(path: Path) -> tuple[int, int]:
    """Returns width and height of the frames as the header states them."""
    with pyav().open(str(path)) as source:
        context = source.streams.video[0].codec_context
        return context.width, context.height


def video_megapixels(path: Path) -> float:
    """Returns the megapixels of all frames as the header states them; 0 if it cannot be read."""
    # Opening a pipe blocks until somebody writes into it.
    if not path.is_file():
        return 0.0
    try:
        with pyav().open(str(path)) as source:
            stream = source.streams.video[0]
            frames = stream.frames or (source.duration or 0) / 1e6 * float(stream.average_rate or 0)
            return frames * stream.codec_context.width * stream.codec_context.height / 1e6
    except (OSError, ValueError, IndexError):
        # The file is named when its turn comes; InputError is a ValueError.
        return 0.0


def upscale_video(
    path: Path, target: Path, settings: Settings, encoding: VideoEncoding, advance: Advance
) -> Sequence[str]:
    """Enlarges a video; audio and subtitles are copied, and time stamps are kept.

    Args:
      path: the file.
      target: the file that is written; its suffix is the container.
      settings: models and size.
      encoding: of the result.
      advance: receives the seconds done, all seconds, and the pixels just enlarged.

    Returns:
      Notes on the result for the user, one line each.

    Raises:
      InputError: naming the file, if it cannot be read, or its container cannot hold the result.
      OSError: if the system refuses to read or write.
    """
    av = pyav()
    if settings.consistent:
        raise InputError(f"{path}: consistent is for images only")
    if target.suffix.lower() not in CONTAINERS:
        raise InputError(
            f"{target} has no suffix of a video that is written: it must be one of "
            f"{', '.join(sorted(CONTAINERS))}"
        )
    if path.exists():
        refuse_unreadable(path)
    path.open("rb").close()
    with atomic_write(target) as part:
        try:
            with av.open(str(path)) as source:
                return _Transcoding(source, path, target, settings).write(part, encoding, advance)
        except av.error.FFmpegError as error:
            raise InputError(f"{path} is damaged or no video: {error.strerror}") from None


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turns FFmpeg's error on writing into one of the system that names the target."""
    try:
        yield
    except pyav().error.FFmpegError as error:
        raise OSError(f"{target} cannot be written: {error.strerror}") from None


class _Transcoding:
    """One video, and the file that it is written to.

    Args:
      source: the opened video.
      path: its path.
      target: the path of the result.
      settings: models and size.
    """

    def __init__(self, source: Any, path: Path, target: Path, settings: Settings):
        self._source, self._path, self._target, self._settings = source, path, target, settings
        stream = next((video for video in source.streams.video if not is_cover(video)), None)
        if stream is None:
            raise InputError(f"{path} holds no video")
        stream.thread_type = "AUTO"
        self._stream = stream
        # The end of the last packet of each stream, and the longest time between two frames.
        self._ends: dict[int, float] = {}
        self._longest = 0.0

    def write(self, part: Path, encoding: VideoEncoding, advance: Advance) -> list[str]:
        """Writes the enlarged video, and returns notes."""
        items, before = self._items(), []
        for item in items:
            before.append(item)
            if _is_frame(item):
                break
        else:
            raise InputError(f"{self._path} holds no frame that can be decoded")
        first = before[-1]
        container, codec = CONTAINERS[self._target.suffix.lower()]
        shape = self._shape(first, codec)
        seconds = _stated_seconds(self._source, self._stream)
        with pyav().open(str(part), "w", format=container) as sink:
            sink.metadata.update(self._source.metadata)
            sink.metadata["comment"] = self._comment(shape)
            output = _add_video(sink, codec, self._stream, first, shape, encoding)
            copied = add_copies(sink, self._source, self._path, self._target)
            durations: dict[int, int] = {}
            for item in chain(before, items):
                if not _is_frame(item):
                    if item.stream.index in copied:
                        item.stream = copied[item.stream.index]
                        self._mux(sink, [item])
                    continue
                self._check(item, shape)
                frame = _enlarged(item, shape, self._settings)
                durations[frame.pts] = item.duration
                self._mux(sink, _lasting(output.encode(frame), durations))
                advance(self._ends[self._stream.index], seconds, shape.width * shape.height)
            self._mux(sink, _lasting(output.encode(None), durations))
        self._refuse_cut(seconds)
        if has_alpha(self._stream):
            shape = replace(shape, notes=(*shape.notes, TRANSPARENCY))
        # WebM states by a tag, too, what the pixel format says.
        notes = dict.fromkeys(shape.notes)
        return [*notes, *left_out(self._source, self._stream, self._target)]

    def _items(self) -> Iterator[Any]:
        """Yields the frames of the video and the packets of the other streams."""
        before = None
        for packet in self._source.demux():
            index, base = packet.stream.index, packet.time_base
            if packet.pts is not None and base is not None:
                start, end = packet.pts * base, (packet.pts + (packet.duration or 0)) * base
                self._ends[index] = max(self._ends.get(index, 0.0), float(end))
                if index == self._stream.index:
                    gap = 0.0 if before is None else abs(float(start - before))
                    before, self._longest = start, max(self._longest, gap)
            if index == self._stream.index:
                yield from packet.decode()
            elif packet.dts is not None:
                yield packet
            elif packet.size and is_cover(packet.stream):
                packet.pts = packet.dts = 0
                yield packet

    def _shape(self, first: Any, codec: str) -> FrameShape:
        size = self._settings.size
        if round(first.rotation) % 180 == 90:
            # Width and height are those that the viewer sees.
            size = size.transposed()
        shape = frame_shape(first, self._path, size, codec == "libx264")
        if codec == "libvpx-vp9" and shape.bits > 8:
            raise InputError(
                f"{self._target}: WebM is written with 8 bits, and {self._path} has {shape.bits}: "
                "give it the suffix .mkv or .mp4"
            )
        with naming_input(self._path):
            replace(self._settings, size=size).stages(shape.width, shape.height)
        if max(shape.new_width, shape.new_height) > _LARGEST_SIDE:
            raise InputError(
                f"{self._path}: {shape.new_width}x{shape.new_height} is larger than the encoders "
                f"allow, {_LARGEST_SIDE} pixels a side: ask for less"
            )
        self._settings = replace(self._settings, size=size)
        return shape

    def _comment(self, shape: FrameShape) -> str:
        metadata = self._source.metadata
        # Matroska has its names in capitals.
        before = metadata.get("comment") or metadata.get("COMMENT") or ""
        return f"{before} {software(self._settings.model_name(shape.width, shape.height))}".strip()

    def _mux(self, sink: Any, packets: Iterable[Any]) -> None:
        with _writing(self._target):
            for packet in packets:
                sink.mux(packet)

    def _check(self, frame: Any, shape: FrameShape) -> None:
        refuse_interlaced(frame, self._path)
        if (frame.width, frame.height) != (shape.width, shape.height):
            raise InputError(
                f"{self._path} changes its size from {shape.width}x{shape.height} to "
                f"{frame.width}x{frame.height}: cut it into two files"
            )

    def _refuse_cut(self, seconds: float | None) -> None:
        """Refuses a file that ends before the time that its header states."""
        names = self._source.format.name
        if seconds is None or not any(name in names for name in _STATE_DURATION):
            return
        own = self._stream.duration is not None
        reached = self._ends[self._stream.index] if own else max(self._ends.values())
        # The last frame may be shown as long as others.
        if reached < seconds - max(_CUT_SECONDS, 1.5 * self._longest):
            raise InputError(
                f"{self._path} was cut: it ends after {reached:.1f} of {seconds:.1f} seconds. Copy "
                "it again"
            )


def _is_frame(item: Any) -> bool:
    return hasattr(item, "planes")


def _stated_seconds(source: Any, stream: Any) -> float | None:
    """Returns when the video ends, as the header states it."""
    if stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return None if source.duration is None else ((source.start_time or 0) + source.duration) / 1e6


def _lasting(packets: Iterable[Any], durations: dict[int, int]) -> Iterator[Any]:
    """Yields packets with the duration of their frames, which the last frame needs."""
    for packet in packets:
        if duration := durations.pop(packet.pts, 0):
            packet.duration = duration
        yield packet


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
    for name in ("color_primaries", "color_trc"):
        setattr(context, name, getattr(given, name))
    context.colorspace = shape.matrix
    context.color_range = FULL_RANGE if shape.full_range else given.color_range
    if stream.sample_aspect_ratio:
        context.sample_aspect_ratio = stream.sample_aspect_ratio
    stale = ("encoder", ALPHA)
    output.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() not in stale})
    output.disposition = stream.disposition
    if first.rotation:
        output.set_display_rotation(first.rotation)
    return output


def _enlarged(frame: Any, shape: FrameShape, settings: Settings) -> Any:
    planes = enlarge_frame(_planes(frame, shape), shape, settings)
    result = pyav().VideoFrame(shape.new_width, shape.new_height, shape.format)
    for plane, values in zip(result.planes, planes, strict=True):
        _fill(plane, values)
    # Some files have no time of presentation.
    result.pts = frame.dts if frame.pts is None else frame.pts
    result.time_base = frame.time_base
    result.color_primaries, result.color_trc = frame.color_primaries, frame.color_trc
    result.colorspace = shape.matrix
    result.color_range = FULL_RANGE if shape.full_range else frame.color_range
    return result


def _planes(frame: Any, shape: FrameShape) -> list[np.ndarray]:
    if shape.planar in ("rgb24", "gbrp10le"):
        return list(planes_of_rgb(frame.to_ndarray(format=shape.planar), shape.bits))
    if frame.format.name != shape.planar:
        # The same values in other places; the range is named so that it stays.
        kept = {"src_color_range": frame.color_range, "dst_color_range": frame.color_range}
        frame = frame.reformat(format=shape.planar, **kept)
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, shape.dtype).reshape(plane.height, -1)
        planes.append(rows[:, : plane.width].astype(np.float32))
    return planes


def _fill(plane: Any, values: np.ndarray) -> None:
    rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
    rows[:, : plane.width] = values
    plane.update(rows)
