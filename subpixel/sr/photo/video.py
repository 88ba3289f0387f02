"""Enlarges videos frame by frame.

Frames stay in Y, Cb and Cr as they are stored: the network enlarges Y, which it was trained on,
and bicubic enlarges Cb and Cr. No colour but RGB is converted, so matrix and range stay.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
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
from subpixel.sr.photo.photographs import Advance, Result, Settings
from subpixel.sr.photo.reading import refuse_unreadable
from subpixel.sr.photo.video_streams import (
    CONTAINERS,
    add_copies,
    is_cover,
    keep_bytes,
    left_out,
    pyav,
)

# The containers that are read only, and what results are written in: it holds their audio.
RESULT_SUFFIXES = {
    ".3gp": ".mov",
    ".avi": ".mkv",
    ".m2ts": ".mkv",
    ".mpeg": ".mkv",
    ".mpg": ".mkv",
    ".mts": ".mkv",
    ".wmv": ".mkv",
}
# A file that ends this many seconds earlier than its header states was cut. Other containers state
# no duration: FFmpeg estimates it.
_CUT_SECONDS = 1.0
_STATE_DURATION = ("mov", "matroska", "avi", "asf")
# Limit of x264 and of libvpx.
_LARGEST_SIDE = 16384
# The tag by which WebM states that a second stream inside the video is its transparency.
_ALPHA = "alpha_mode"


def upscale_video(
    path: Path, target: Path, settings: Settings, advance: Advance | None = None
) -> Result:
    """Enlarges a video; audio and subtitles are copied, and time stamps are kept.

    The suffix of `target` is the container; `advance` receives the seconds done, and all seconds.

    Raises:
      InputError: naming the file, if it cannot be read, or its container cannot hold the result.
      OSError: if the system refuses to read or write.
    """
    av = pyav()
    if target.suffix.lower() not in CONTAINERS:
        raise InputError(
            f"{target} has no suffix of a video that is written: it must be one of "
            f"{', '.join(sorted(CONTAINERS))}"
        )
    refuse_unreadable(path)
    with atomic_write(target) as part:
        try:
            with av.open(str(path), **keep_bytes()) as file:
                return _transcode(_Source(file, path), target, part, settings, advance)
        except av.error.FFmpegError as error:
            raise InputError(f"{path} is damaged or no video: {error.strerror}") from None


class _Source:
    def __init__(self, file: Any, path: Path):
        self.file, self.path = file, path
        stream = next((video for video in file.streams.video if not is_cover(video)), None)
        if stream is None:
            raise InputError(f"{path} holds no video")
        stream.thread_type = "AUTO"
        self.stream = stream
        # When the video ends, as the header states it.
        self.seconds: float | None = None
        if stream.duration is not None:
            end = (stream.start_time or 0) + stream.duration
            self.seconds = float(end * stream.time_base)
        elif file.duration is not None:
            self.seconds = ((file.start_time or 0) + file.duration) / 1e6
        # The end of the last packet of each stream, and the longest time between two frames.
        self._ends: dict[int, float] = {}
        self._longest = 0.0

    @property
    def reached(self) -> float:
        """The end of the last packet of the video, in seconds."""
        return self._ends.get(self.stream.index, 0.0)

    def items(self) -> Iterator[Any]:
        """Yields the frames of the video and the packets of the other streams."""
        before = None
        for packet in self.file.demux():
            index, base = packet.stream.index, packet.time_base
            if packet.pts is not None and base is not None:
                start, end = packet.pts * base, (packet.pts + (packet.duration or 0)) * base
                self._ends[index] = max(self._ends.get(index, 0.0), float(end))
                if index == self.stream.index:
                    gap = 0.0 if before is None else abs(float(start - before))
                    before, self._longest = start, max(self._longest, gap)
            if index == self.stream.index:
                yield from packet.decode()
            elif packet.dts is not None:
                yield packet

    def refuse_cut(self) -> None:
        """Refuses a file that ends before the time that its header states."""
        if self.seconds is None or not any(n in self.file.format.name for n in _STATE_DURATION):
            return
        own = self.stream.duration is not None
        reached = self.reached if own else max(self._ends.values())
        # The last frame may be shown as long as others.
        if reached < self.seconds - max(_CUT_SECONDS, 1.5 * self._longest):
            raise InputError(
                f"{self.path} was cut: it ends after {reached:.1f} of {self.seconds:.1f} seconds. "
                "Copy it again"
            )


def _transcode(
    source: _Source, target: Path, part: Path, settings: Settings, advance: Advance | None
) -> Result:
    items, before = source.items(), []
    for item in items:
        before.append(item)
        if _is_frame(item):
            break
    else:
        raise InputError(f"{source.path} holds no frame that can be decoded")
    first = before[-1]
    if round(first.rotation) % 180 == 90:
        # Width and height are those that the viewer sees.
        settings = replace(settings, size=settings.size.transposed())
    container, codec = CONTAINERS[target.suffix.lower()]
    shape = frame_shape(first, source.path, settings.size, codec == "libx264")
    _check_result(shape, codec, source.path, target, settings)
    durations: dict[int, int] = {}
    with pyav().open(str(part), "w", format=container, **keep_bytes()) as sink:
        sink.metadata.update(source.file.metadata)
        # Matroska has its names in capitals.
        comments = (source.file.metadata.get(name) for name in ("comment", "COMMENT"))
        model = software(settings.model_name(shape.width, shape.height))
        sink.metadata["comment"] = " ".join([*filter(None, comments), model])
        output = _add_video(sink, codec, source.stream, first, shape, settings.crf)
        copied = add_copies(sink, source.file, source.path, target)
        for item in chain(before, items):
            if not _is_frame(item):
                if item.stream.index in copied:
                    item.stream = copied[item.stream.index]
                    _mux(sink, [item], source.path, target)
                continue
            refuse_interlaced(item, source.path)
            if (item.width, item.height) != (shape.width, shape.height):
                raise InputError(
                    f"{source.path} changes its size from {shape.width}x{shape.height} to "
                    f"{item.width}x{item.height}: cut it into two files"
                )
            frame = _enlarged(item, shape, settings)
            durations[frame.pts] = item.duration
            _mux(sink, _lasting(output.encode(frame), durations), source.path, target)
            if advance is not None:
                advance(source.reached, source.seconds)
        _mux(sink, _lasting(output.encode(None), durations), source.path, target)
    source.refuse_cut()
    notes = dict.fromkeys(shape.notes)
    # WebM states by a tag, too, what the pixel format says.
    if any(k.lower() == _ALPHA and v == "1" for k, v in source.stream.metadata.items()):
        notes[TRANSPARENCY] = None
    notes = (*notes, *left_out(source.file, source.stream))
    return Result(shape.new_width, shape.new_height, notes)


def _check_result(
    shape: FrameShape, codec: str, path: Path, target: Path, settings: Settings
) -> None:
    if codec == "libvpx-vp9" and shape.bits > 8:
        raise InputError(
            f"{target}: WebM is written with 8 bits, and {path} has {shape.bits}: give it the "
            "suffix .mkv or .mp4"
        )
    try:
        settings.stages(shape.width, shape.height)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if max(shape.new_width, shape.new_height) > _LARGEST_SIDE:
        raise InputError(
            f"{path}: {shape.new_width}x{shape.new_height} is larger than the encoders allow, "
            f"{_LARGEST_SIDE} pixels a side: ask for less"
        )


def _is_frame(item: Any) -> bool:
    return hasattr(item, "planes")


def _mux(sink: Any, packets: Iterable[Any], path: Path, target: Path) -> None:
    try:
        for packet in packets:
            sink.mux(packet)
    except pyav().error.ArgumentError:
        raise InputError(
            f"{path} has time stamps that are not in order: it may be damaged; copy it again"
        ) from None
    except pyav().error.FFmpegError as error:
        raise OSError(f"{target} cannot be written: {error.strerror}") from None


def _lasting(packets: Iterable[Any], durations: dict[int, int]) -> Iterator[Any]:
    """Yields packets with the duration of their frames, which the last frame needs."""
    for packet in packets:
        if duration := durations.pop(packet.pts, 0):
            packet.duration = duration
        yield packet


def _add_video(sink: Any, codec: str, stream: Any, first: Any, shape: FrameShape, crf: int) -> Any:
    options = {"crf": str(crf)}
    options |= {"b:v": "0"} if codec == "libvpx-vp9" else {"preset": "medium"}
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    output = sink.add_stream(codec, rate=rate, options=options)
    output.width, output.height = shape.new_width, shape.new_height
    output.pix_fmt = shape.format
    context, given = output.codec_context, stream.codec_context
    # Time stamps are those of the input: frames may come at any distance.
    context.time_base = stream.time_base
    context.color_primaries, context.color_trc = given.color_primaries, given.color_trc
    context.colorspace = shape.matrix
    context.color_range = FULL_RANGE if shape.full_range else given.color_range
    if stream.sample_aspect_ratio:
        context.sample_aspect_ratio = stream.sample_aspect_ratio
    stale = ("encoder", _ALPHA)
    output.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() not in stale})
    output.disposition = stream.disposition
    if first.rotation:
        output.set_display_rotation(first.rotation)
    return output


def _enlarged(frame: Any, shape: FrameShape, settings: Settings) -> Any:
    planes = enlarge_frame(_planes(frame, shape), shape, settings)
    result = pyav().VideoFrame(shape.new_width, shape.new_height, shape.format)
    for plane, values in zip(result.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : plane.width] = values
        plane.update(rows)
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
