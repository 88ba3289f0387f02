"""What a video holds beside its frames: audio, subtitles, chapters, and more."""

import shlex
from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.packages import require_package

# The containers that are written, as FFmpeg names them, and the encoder for their videos.
CONTAINERS = {
    ".m4v": ("mp4", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mp4": ("mp4", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
COPIED = ("audio", "subtitle")


def pyav() -> Any:
    """Returns the package `av`."""
    return require_package("av", "enlarging a video", "video")


def keep_bytes() -> dict[str, str]:
    """Returns the arguments with which PyAV keeps the bytes of tags that are not UTF-8.

    PyAV 19, for Python 3.12 and newer, always keeps them and has no argument for it.
    """
    old = pyav().__version__.startswith("18.")
    return {"metadata_errors": "surrogateescape"} if old else {}


def is_cover(stream: Any) -> bool:
    """Returns whether a stream is one image, which players show as the file's cover."""
    return bool(stream.disposition & pyav().stream.Disposition.attached_pic)


def add_copies(sink: Any, source: Any, path: Path, target: Path) -> dict[int, Any]:
    """Adds audio, subtitles and chapters to a new file, and writes its header.

    Returns:
      The streams of the new file by the index of the stream that they copy.

    Raises:
      InputError: if the container cannot hold the audio or the subtitles.
    """
    copied = {}
    streams = [stream for stream in source.streams if stream.type in COPIED]
    try:
        for stream in streams:
            copy = sink.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            copied[stream.index] = copy
        sink.set_chapters(source.chapters())
        sink.start_encoding()
    except (ValueError, pyav().error.FFmpegError) as error:
        if getattr(error, "filename", None) and isinstance(error, OSError):
            raise
        kinds = " and ".join(sorted({stream.type for stream in streams})) or "video"
        codecs = ", ".join(stream.codec_context.name for stream in streams)
        suffix = target.suffix.lower()
        other = "" if suffix == ".mkv" else "give it the suffix .mkv, or "
        sound = "libopus" if suffix == ".webm" else "aac"
        names = (shlex.quote(str(name)) for name in (path, f"{path.stem}_converted.mkv"))
        command = f"ffmpeg -i {next(names)} -c:v copy -c:a {sound} -sn {next(names)}"
        raise InputError(
            f"{target} cannot hold the {kinds} of {path} ({codecs}): {other}convert it: {command}"
        ) from None
    return copied


def left_out(source: Any, video: Any) -> list[str]:
    """Returns notes on what is not kept of a file whose stream `video` is enlarged."""
    others = [s for s in source.streams if s.type not in COPIED and s.index != video.index]
    kinds = sorted({"cover image" if is_cover(s) else f"further {s.type}" for s in others})
    return [f"left out: {', '.join(kinds)}"] if kinds else []
