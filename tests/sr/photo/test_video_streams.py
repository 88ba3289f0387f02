"""Chapters and a cover are kept where the container has them; the rest is named."""

from fractions import Fraction

import av
import pytest
from av.stream import Disposition
from clips import enlarge, moved, read_frames

CHAPTERS = [
    {
        "id": number,
        "start": start,
        "end": start + 150,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }
    for number, (start, title) in enumerate([(0, "One"), (150, "Two")])
]


def write_streams(path, *kinds, chapters=()):
    """Writes a file of a video, a cover and a second video, in the given order."""
    with av.open(str(path), "w") as sink:
        streams = []
        for kind in kinds:
            stream = sink.add_stream("libx264" if kind == "video" else "mjpeg", rate=25)
            stream.width, stream.height = (64, 48) if kind == "video" else (32, 32)
            stream.pix_fmt = "yuv420p" if kind == "video" else "yuvj420p"
            if kind == "cover":
                stream.disposition = Disposition.attached_pic
            streams.append(stream)
        sink.set_chapters(list(chapters))
        for kind, stream in zip(kinds, streams, strict=True):
            for time in range(8 if kind == "video" else 1):
                frame = moved(time, stream.width, stream.height, stream.pix_fmt, 1)
                frame.pts, frame.time_base = time, Fraction(1, 25)
                sink.mux(stream.encode(frame))
            sink.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_chapters_are_kept(suffix, tmp_path):
    clip = write_streams(tmp_path / "a.mkv", "video", chapters=CHAPTERS)
    assert not enlarge(clip, tmp_path / f"b{suffix}")
    with av.open(str(tmp_path / f"b{suffix}")) as file:
        found = [
            (c["metadata"]["title"], float(c["start"] * c["time_base"])) for c in file.chapters()
        ]
    assert found == [("One", 0.0), ("Two", 0.15)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("order", [("video", "cover"), ("cover", "video")])
def test_a_cover_is_named_and_not_enlarged(order, suffix, tmp_path):
    clip = write_streams(tmp_path / "a.mp4", *order)
    assert enlarge(clip, tmp_path / f"b{suffix}") == ["the cover image was left out"]
    frames = read_frames(tmp_path / f"b{suffix}")
    assert [(frame.width, frame.height) for frame in frames] == [(128, 96)] * 8
    with av.open(str(tmp_path / f"b{suffix}")) as file:
        assert len(file.streams) == 1


def test_a_second_video_is_named(tmp_path):
    clip = write_streams(tmp_path / "a.mkv", "video", "image")
    assert enlarge(clip, tmp_path / "b.mkv") == ["further video streams were left out"]
