"""What a video holds beside its frames: audio, subtitles, chapters, a cover image, and more."""

from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError

# The tag by which WebM states that a second stream inside the video is its transparency.
ALPHA = "alpha_mode"
_COPIED = ("audio", "subtitle")
_NO_CHAPTERS = frozenset({".avi"})
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
    """Adds the copied streams and the chapters to a new file.

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
    copied = {}
    for stream in copied_streams(source, target):
        try:
            copy = sink.add_stream_from_template(stream)
        except (ValueError, pyav().error.FFmpegError) as error:
            raise InputError(
                f"{target} cannot hold the {stream.type} of {path} ({error}): give it the suffix "
                f"{path.suffix}, or .mkv"
            ) from None
        copy.metadata.update(stream.metadata)
        if is_cover(stream):
            copy.disposition = stream.disposition
        copied[stream.index] = copy
    if target.suffix.lower() not in _NO_CHAPTERS:
        sink.set_chapters(source.chapters())
    return copied


def left_out(source: Any, stream: Any, first: Any, target: Path) -> list[str]:
    """Returns notes on what the result does not keep, one line each.

    Args:
      source: the file that is read.
      stream: its video.
      first: the first frame of the video.
      target: the path of the new file.
    """
    suffix = target.suffix.lower()
    kept = {stream.index, *(copied.index for copied in copied_streams(source, target))}
    others = [other for other in source.streams if other.index not in kept]
    kinds = {"cover" if is_cover(other) else other.type for other in others}
    found = {
        "the transparency of the video was left out": any(
            name.lower() == ALPHA and value == "1" for name, value in stream.metadata.items()
        ),
        "the video is interlaced, and was enlarged as if not: deinterlace it first": (
            first.interlaced_frame
        ),
        "further video streams were left out": "video" in kinds,
        "attached files, such as fonts, were left out": "attachment" in kinds,
        f"the cover image was left out, which {suffix} does not mark as one": "cover" in kinds,
        f"chapters were left out, which {suffix} cannot hold": (
            bool(source.chapters()) and suffix in _NO_CHAPTERS
        ),
    }
    return [note for note, applies in found.items() if applies]
