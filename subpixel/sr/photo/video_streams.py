"""What a video holds beside its frames: audio, subtitles, chapters, a cover image, and more."""

import shlex
from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError

# The tag by which WebM states that a second stream inside the video is its transparency.
ALPHA = "alpha_mode"
# The containers that are written, as FFmpeg names them, and the encoder for their videos.
CONTAINERS = {
    ".m4v": ("mp4", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mp4": ("mp4", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
WRITTEN_VIDEOS = frozenset(CONTAINERS)
_COPIED = ("audio", "subtitle")
# In other containers a cover becomes a second video, which some players show instead.
_COVERS = frozenset({".m4v", ".mov", ".mp4"})


def pyav() -> Any:
    """Returns the package `av`.

    Raises:
      InputError: if it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(f"videos need PyAV ({error}): pip install 'subpixel[video]'") from None
    return av


def is_cover(stream: Any) -> bool:
    """Returns whether a video stream is one image, which players show as the file's cover."""
    attached = pyav().stream.Disposition.attached_pic
    return stream.type == "video" and bool(stream.disposition & attached)


def copied_streams(source: Any, target: Path) -> list[Any]:
    """Returns the streams whose packets are copied: audio, subtitles, a cover if it can be."""
    covers = target.suffix.lower() in _COVERS
    return [s for s in source.streams if s.type in _COPIED or (covers and is_cover(s))]


def add_copies(sink: Any, source: Any, path: Path, target: Path) -> dict[int, Any]:
    """Adds the copied streams and the chapters to a new file, and writes its header.

    Args:
      sink: the file, in which the video is the first stream.
      source: the file that is read.
      path: its path.
      target: the path of the new file.

    Returns:
      The streams of the new file by the index of the stream that they copy.

    Raises:
      InputError: if the container cannot hold the audio or the subtitles.
    """
    copied, errors = {}, pyav().error
    streams = copied_streams(source, target)
    try:
        for stream in streams:
            copy = sink.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            copied[stream.index] = copy
        sink.set_chapters(source.chapters())
        sink.start_encoding()
    except (ValueError, errors.FFmpegError) as error:
        if getattr(error, "filename", None) and isinstance(error, OSError):
            raise
        kinds = " and ".join(sorted({stream.type for stream in streams})) or "video"
        codecs = ", ".join(stream.codec_context.name for stream in streams)
        written = [path.suffix] if path.suffix.lower() in WRITTEN_VIDEOS else []
        suffixes = [s for s in (*written, ".mkv") if s.lower() != target.suffix.lower()]
        command = (
            f"ffmpeg -i {shlex.quote(str(path))} -c:v copy -c:a "
            f"{'libopus' if target.suffix.lower() == '.webm' else 'aac'} "
            f"-sn {shlex.quote(path.stem + '_converted.mkv')}"
        )
        other = (
            f"give it the suffix {' or '.join(dict.fromkeys(suffixes))}, or " if suffixes else ""
        )
        raise InputError(
            f"{target} cannot hold the {kinds} of {path} ({codecs}): {other}convert it: {command}"
        ) from None
    return copied


def left_out(source: Any, stream: Any, target: Path) -> list[str]:
    """Returns notes on what the result does not keep, one line each.

    Args:
      source: the file that is read.
      stream: its video.
      target: the path of the new file.
    """
    suffix = target.suffix.lower()
    kept = {stream.index, *(copied.index for copied in copied_streams(source, target))}
    others = [other for other in source.streams if other.index not in kept]
    kinds = {"cover" if is_cover(other) else other.type for other in others}
    found = {
        "further video streams were left out": "video" in kinds,
        "attached files, such as fonts, were left out": "attachment" in kinds,
        "data streams, such as time codes and positions, were left out": "data" in kinds,
        f"the cover image was left out, which {suffix} does not mark as one": "cover" in kinds,
    }
    return [note for note, applies in found.items() if applies]


def has_alpha(stream: Any) -> bool:
    """Returns whether WebM states transparency for a video."""
    return any(name.lower() == ALPHA and value == "1" for name, value in stream.metadata.items())
