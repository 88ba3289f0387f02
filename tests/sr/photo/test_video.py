"""Videos keep their time, sound, subtitles, orientation and colours."""

from collections.abc import Callable

import av
import numpy as np
import pytest
from clips import TIMES, enlarge, read_frames, read_packets, remux, write_clip

from subpixel import __version__
from subpixel.image import imresize
from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.plan import Size


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_time_stamps_and_sound_are_copied(suffix, tmp_path):
    source = write_clip(tmp_path / f"a.{suffix}", audio=True)
    assert enlarge(source, tmp_path / f"b.{suffix}") == []
    frames = read_frames(tmp_path / f"b.{suffix}")
    assert [round(1000 * frame.time) for frame in frames] == list(TIMES)
    assert {(frame.width, frame.height) for frame in frames} == {(128, 96)}
    sound = read_packets(tmp_path / f"b.{suffix}", "audio")
    original = read_packets(source, "audio")
    assert [content for _, content in sound] == [content for _, content in original]
    assert [t for t, _ in sound] == pytest.approx([t for t, _ in original], abs=1e-3)


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [(0, (96, 72)), (90, (128, 96)), (-90, (128, 96)), (180, (96, 72))],
)
def test_a_width_is_that_of_the_rotated_video_and_rotation_stays(rotation, expected, tmp_path):
    source, target = write_clip(tmp_path / "a.mp4", rotation=rotation), tmp_path / "b.mp4"
    enlarge(source, target, Size(width=96))
    before, after = read_frames(source)[0], read_frames(target)[0]
    assert (after.width, after.height) == expected
    assert (after.rotation, abs(before.rotation)) == (before.rotation, abs(rotation))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colorspace", [1, 6])
def test_a_pattern_of_flat_colours_keeps_every_value(pix_fmt, full_range, colorspace, tmp_path):
    bits = 10 if pix_fmt.endswith("10le") else 8
    frames = [pattern(pix_fmt, bits) for _ in TIMES]
    source = write_clip(
        tmp_path / "a.mkv",
        pix_fmt=pix_fmt,
        full_range=full_range,
        colorspace=colorspace,
        frames=frames,
    )
    enlarge(source, tmp_path / "b.mkv")
    before, after = read_frames(source)[0], read_frames(tmp_path / "b.mkv")[0]
    assert after.format.name == before.format.name
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
        assert getattr(after, name) == getattr(before, name)
    assert (after.color_range, after.colorspace) == (2 if full_range else 1, colorspace)
    for small, large in zip(values(before), values(after), strict=True):
        assert large.shape == (2 * small.shape[0], 2 * small.shape[1])
        # In the middle of each quarter nothing of the others is left.
        for y in (1, 3):
            for x in (1, 3):
                at = small.shape[0] * y // 4, small.shape[1] * x // 4
                assert large[2 * at[0], 2 * at[1]] == small[at]


def frame_of(pix_fmt: str, content: Callable[[int, int, int], np.ndarray]) -> av.VideoFrame:
    """Returns a frame of 64x48 whose planes are content(number, height, width)."""
    frame = av.VideoFrame(64, 48, pix_fmt)
    dtype = np.dtype(np.uint16 if pix_fmt.endswith("10le") else np.uint8)
    for number, plane in enumerate(frame.planes):
        rows = np.zeros((plane.height, plane.line_size // dtype.itemsize), dtype)
        rows[:, : plane.width] = content(number, plane.height, plane.width)
        plane.update(rows)
    return frame


def pattern(pix_fmt: str, bits: int) -> av.VideoFrame:
    """Returns four flat quarters, darker than black and brighter than white among them."""
    quarters = [(4, 40, 90, 200), (60, 128, 200, 90), (128, 220, 30, 250)]
    unit = 2 ** (bits - 8)

    def content(number: int, height: int, width: int) -> np.ndarray:
        a, b, c, d = (value * unit for value in quarters[number])
        return np.kron([[a, b], [c, d + unit - 1]], np.ones((height // 2, width // 2)))

    return frame_of(pix_fmt, content)


def values(frame: av.VideoFrame) -> list[np.ndarray]:
    dtype = np.uint16 if frame.format.name.endswith("10le") else np.uint8
    planes = [np.frombuffer(plane, dtype).reshape(plane.height, -1) for plane in frame.planes]
    return [rows[:, : plane.width] for rows, plane in zip(planes, frame.planes, strict=True)]


def test_luma_is_bicubic_of_luma_and_chroma_stays_in_its_place(tmp_path):
    x = np.arange(64)
    rows = (3 * x + 20, 3 * x[::2], np.full(32, 9))
    frames = [frame_of("yuv420p", lambda number, *_: rows[number]) for _ in TIMES]
    source = write_clip(tmp_path / "a.mkv", frames=frames)
    enlarge(source, tmp_path / "b.mkv", 4)
    before, after = values(read_frames(source)[0]), values(read_frames(tmp_path / "b.mkv")[0])
    expected = imresize(before[0][..., None].astype(np.float32), 4)[..., 0]
    assert np.abs(after[0] - expected).max() <= 0.5001
    # A sample of Cb lies on every second pixel of luma; centred enlargement would be 1.1 off.
    places = (2 * np.arange(after[1].shape[1]) + 0.5) / 4
    np.testing.assert_allclose(after[1][10, 16:-16], 3 * (places[16:-16] - 0.5), atol=0.501)


@pytest.mark.parametrize(
    ("size", "pix_fmt", "scale", "expected", "notes"),
    [
        ((62, 46), "yuv420p", 1.5, 92, ["93x69 was cropped to 92x68: yuv420p needs even sizes"]),
        ((61, 47), "yuv444p", 2, 122, []),
    ],
)
def test_odd_sizes(size, pix_fmt, scale, expected, notes, tmp_path):
    width, height = size
    source = write_clip(tmp_path / "a.mp4", width=width, height=height, pix_fmt=pix_fmt)
    assert enlarge(source, tmp_path / "b.mp4", scale) == notes
    assert read_frames(tmp_path / "b.mp4")[0].width == expected


def test_a_result_wider_than_the_encoder_allows_is_refused(tmp_path):
    source = write_clip(tmp_path / "a.mp4", width=600, height=16, times=(0,))
    with pytest.raises(InputError, match=r"a\.mp4: 18000x480 is larger than the encoders allow"):
        enlarge(source, tmp_path / "b.mp4", 30)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_video_that_was_cut_is_named_and_leaves_nothing(suffix, tmp_path):
    source = tmp_path / f"cut.{suffix}"
    whole = write_clip(source, audio=True, times=tuple(range(0, 8000, 100))).read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"cut\.{suffix} (was cut|is damaged)"):
        enlarge(source, tmp_path / f"b.{suffix}")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_what_is_no_video_is_named(content, tmp_path):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4 is (empty|damaged or no video)"):
        enlarge(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_stop_leaves_no_file(tmp_path):
    source = write_clip(tmp_path / "a.mp4")

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enlarge(source, tmp_path / "b.mp4", advance=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("comment", [b"A day at sea.", b"J\xf6rg's day"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_an_earlier_comment_keeps_its_bytes(suffix, comment, tmp_path):
    def comment_on(sink, _):
        sink.metadata["comment"] = "A day at sea."

    source = remux(write_clip(tmp_path / "plain.mp4"), tmp_path / f"a.{suffix}", comment_on)
    # As programs write them that know no UTF-8.
    source.write_bytes(source.read_bytes().replace(b"A day at sea.", comment.ljust(13)))
    enlarge(source, tmp_path / f"b.{suffix}")
    expected = comment.ljust(13) + f" subpixel {__version__}, model bicubic".encode()
    assert expected in (tmp_path / f"b.{suffix}").read_bytes()
