"""Videos that Debian's ffmpeg makes: the right pixels by its own reading, or one line."""

import shlex
from pathlib import Path

import av
import numpy as np
import pytest
from clips import FFMPEG, enlarge, ffmpeg, read_packets, remux, shown

from subpixel.sr._support.errors import InputError

pytestmark = pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed")
PATTERN = "smptebars=size=64x48:rate=10:duration=0.4"


def make(path: Path, *options: object, source: str = PATTERN) -> Path:
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


def check_pixels(source: Path, target: Path) -> None:
    """Compares the middles of the bars: flat colours, which no interpolation changes."""
    before, after = shown(source), shown(target, 2)
    assert len(before) == len(after)
    columns = np.array([5, 15, 25, 35, 45, 55])
    flat = after[:, 20][:, 2 * columns]
    assert np.abs(flat - before[:, 10][:, columns]).max() <= 4


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@pytest.mark.parametrize(
    "pix_fmt",
    ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray"],
)
def test_each_kept_format_has_the_pixels_that_ffmpeg_reads(pix_fmt, suffix, tmp_path):
    source = make(tmp_path / "a.mkv", "-pix_fmt", pix_fmt, "-c:v", "ffv1")
    if suffix == ".webm" and pix_fmt.endswith("10le"):
        with pytest.raises(InputError, match=r"b\.webm: WebM is written with 8 bits, .*\.mkv"):
            enlarge(source, tmp_path / "b.webm")
        return
    notes = enlarge(source, tmp_path / f"b{suffix}")
    assert notes == ["gray became yuv420p, whose colours are grey"] * (
        pix_fmt == "gray" and suffix == ".webm"
    )
    check_pixels(source, tmp_path / f"b{suffix}")


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "container"),
    [
        ("ffv1", "bgr0", "mkv"),
        ("ffv1", "gbrp10le", "mkv"),
        ("libx264rgb", "bgr24", "mp4"),
        ("png", "rgb24", "mov"),
        ("png", "rgba", "mov"),
        ("rawvideo", "bgr24", "avi"),
        ("qtrle", "argb", "mov"),
    ],
)
def test_rgb_gets_a_stated_matrix_and_the_right_colours(codec, pix_fmt, container, tmp_path):
    red = "color=0xC81E1E:size=64x48:rate=10:duration=0.4"
    options = ("-c:v", codec, "-pix_fmt", pix_fmt)
    source = make(tmp_path / f"a.{container}", *options, source=red)
    note, *others = enlarge(source, tmp_path / "b.mkv")
    assert note.endswith(", with the matrix of BT.709 in full range")
    assert others == ["the transparency of the video was left out"] * (pix_fmt in ("rgba", "argb"))
    expected = shown(source)[0, 0, 0]
    assert np.abs(expected - (200, 30, 30)).max() <= 2
    assert np.abs(shown(tmp_path / "b.mkv", 2) - expected).max() <= 3
    with av.open(str(tmp_path / "b.mkv")) as result:
        context = result.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 2)


@pytest.mark.parametrize(
    ("pix_fmt", "wanted"),
    [
        ("yuv420p12le", "yuv420p10le"),
        ("yuv422p16le", "yuv422p10le"),
        ("yuv420p9le", "yuv420p10le"),
        ("yuv411p", "yuv422p"),
        ("yuv410p", "yuv420p"),
        ("yuv440p", "yuv444p"),
        ("gray16le", "gray10le"),
        ("gbrp12le", "gbrp10le"),
        ("gbrap12le", "gbrp10le"),
    ],
)
def test_other_formats_are_refused_with_the_command_that_helps(pix_fmt, wanted, tmp_path):
    source = make(tmp_path / "a b.mkv", "-c:v", "ffv1", "-pix_fmt", pix_fmt, "-strict", "-1")
    with pytest.raises(InputError, match=f"has the pixel format {pix_fmt}") as refused:
        enlarge(source, tmp_path / "b.mkv")
    words = shlex.split(str(refused.value).partition(": ffmpeg ")[2])
    words[-1] = str(tmp_path / words[-1])
    ffmpeg(*words)
    with av.open(words[-1]) as result:
        assert result.streams.video[0].codec_context.pix_fmt == wanted
    enlarge(Path(words[-1]), tmp_path / "b.mkv")
    assert (tmp_path / "b.mkv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-c:v", "libx264", "-color_trc", "smpte2084"), "is HDR10 or Dolby Vision"),
        (("-c:v", "libx264", "-flags", "+ilme+ildct", "-top", "1"), "is interlaced"),
    ],
)
def test_other_videos_are_refused(options, message, tmp_path):
    source = make(tmp_path / "a.mkv", *options)
    with pytest.raises(InputError, match=f"{message}.*: ffmpeg -i"):
        enlarge(source, tmp_path / "b.mkv")


ONE = 1 << 16


@pytest.mark.parametrize(
    "corner",
    [(-ONE, 0, 0, ONE), (ONE, 0, 0, -ONE), (0, ONE, ONE, 0), (46341, 46341, -46341, 46341)],
)
def test_mirrored_and_slanted_videos_are_refused(corner, tmp_path):
    a, b, c, d = corner
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    plain = make(tmp_path / "a.mkv", "-c:v", "libx264", "-crf", "0")
    source = remux(plain, tmp_path / "a.mp4", lambda _, copy: copy.set_display_matrix(matrix))
    with pytest.raises(InputError, match="is to be shown mirrored or at an angle: ffmpeg -i"):
        enlarge(source, tmp_path / "b.mp4")


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4"])
def test_sound_that_is_longer_than_the_video_is_no_damage(suffix, tmp_path):
    codec = "libopus" if suffix == ".webm" else "aac"
    video = ("-c:v", "libvpx-vp9" if suffix == ".webm" else "libx264", "-c:a", codec)
    sine = ("-f", "lavfi", "-i", "sine=duration=5")
    source = tmp_path / f"a{suffix}"
    ffmpeg("-f", "lavfi", "-i", PATTERN, *sine, *video, source)
    assert enlarge(source, tmp_path / f"b{suffix}") == []


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_a_slideshow_keeps_the_time_of_its_last_picture(suffix, tmp_path):
    slides = "testsrc=size=64x48:rate=0.25:duration=12"
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    source = make(tmp_path / f"a{suffix}", "-c:v", codec, source=slides)
    enlarge(source, tmp_path / f"b{suffix}")
    before, after = seconds(source), seconds(tmp_path / f"b{suffix}")
    assert before == pytest.approx(12, abs=0.1)
    assert after == pytest.approx(before, abs=0.05)


def seconds(path: Path) -> float:
    with av.open(str(path)) as file:
        return file.duration / 1e6


def test_the_last_frame_keeps_its_duration(tmp_path):
    source = tmp_path / "a.mp4"
    # Frames at 0, 0.4 and 0.8 s; the last one is shown for a second.
    held = "setpts='if(eq(N,2),0.8,N*0.4)/TB',tpad=stop_mode=clone:stop_duration=1"
    clip = f"testsrc=size=64x48:rate=2.5:duration=1.2,{held}"
    make(source, "-c:v", "libx264", "-vf", "fps=2.5", source=clip)
    enlarge(source, tmp_path / "b.mp4")
    assert seconds(tmp_path / "b.mp4") == pytest.approx(seconds(source), abs=0.01)


def test_flags_of_tracks_are_kept(tmp_path):
    source = tmp_path / "a.mkv"
    inputs = [
        w for f in (440, 880) for w in ("-f", "lavfi", "-i", f"sine=frequency={f}:duration=1")
    ]
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-c:a", "aac")
    flags = ("-disposition:a:0", "comment", "-disposition:a:1", "default")
    ffmpeg("-f", "lavfi", "-i", PATTERN, *inputs, *maps, *flags, source)
    for suffix in (".mkv", ".mp4"):
        enlarge(source, tmp_path / f"b{suffix}")
        with av.open(str(tmp_path / f"b{suffix}")) as result:
            first, second = result.streams.audio
            assert not first.disposition & av.stream.Disposition.default
            assert second.disposition & av.stream.Disposition.default


@pytest.mark.parametrize(
    ("suffix", "codecs"),
    [
        (".avi", ("mpeg4", "libmp3lame")),
        (".mpg", ("mpeg2video", "mp2")),
        (".mts", ("libx264", "ac3")),
        (".wmv", ("wmv2", "libmp3lame")),
        (".3gp", ("mpeg4", "aac")),
    ],
)
def test_further_containers_are_read(suffix, codecs, tmp_path):
    source, (video, audio) = tmp_path / f"a{suffix}", codecs
    form = ("-f", "mpegts") if suffix == ".mts" else ()
    clip = PATTERN.replace("0.4", "2").replace("rate=10", "rate=25")
    sine = ("-f", "lavfi", "-i", "sine=duration=2")
    quality = ("-c:v", video, "-q:v", 2, "-c:a", audio)
    ffmpeg("-f", "lavfi", "-i", clip, *sine, *quality, *form, source)
    assert enlarge(source, tmp_path / "b.mkv") == []
    check_pixels(source, tmp_path / "b.mkv")
    with pytest.raises(InputError, match=r"b\.avi has no suffix of a video that is written"):
        enlarge(source, tmp_path / "b.avi")


def test_an_unstated_matrix_of_sd_is_stated_where_the_result_is_larger(tmp_path):
    source = make(tmp_path / "a.mkv", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    enlarge(source, tmp_path / "b.mkv", 13)
    enlarge(source, tmp_path / "c.mkv", 2)
    for name, expected in (("b", 6), ("c", 2)):
        with av.open(str(tmp_path / f"{name}.mkv")) as result:
            assert result.streams.video[0].codec_context.colorspace == expected


@pytest.mark.parametrize(
    ("source", "target", "codecs"), [("a.mkv", "b.webm", "aac"), ("a.wmv", "b.mkv", "wmav2")]
)
def test_sound_that_a_container_cannot_hold_is_named_with_the_command(
    source, target, codecs, tmp_path
):
    source, target = tmp_path / source, tmp_path / target
    video = "wmv2" if codecs == "wmav2" else "libx264"
    sine = ("-f", "lavfi", "-i", "sine=duration=1", "-c:v", video, "-c:a", codecs)
    ffmpeg("-f", "lavfi", "-i", PATTERN, *sine, source)
    message = rf"{target.name} cannot hold the audio of .*{source.name} \({codecs}\): .*convert it"
    with pytest.raises(InputError, match=message) as refused:
        enlarge(source, target)
    assert not target.exists()
    words = shlex.split(str(refused.value).partition(": ffmpeg ")[2])
    words[-1] = str(tmp_path / words[-1])
    ffmpeg(*words)
    assert enlarge(Path(words[-1]), target) == []


def test_subtitles_are_copied(tmp_path):
    text = "1\n00:00:00,000 --> 00:00:00,200\nHello\n\n2\n00:00:00,200 --> 00:00:00,300\nBye\n"
    (tmp_path / "a.srt").write_text(text)
    source, german = tmp_path / "a.mkv", ("-metadata:s:s:0", "language=deu")
    ffmpeg("-f", "lavfi", "-i", PATTERN, "-i", tmp_path / "a.srt", "-c:v", "ffv1", *german, source)
    enlarge(source, tmp_path / "b.mkv")
    packets = [read_packets(tmp_path / name, "subtitle") for name in ("a.mkv", "b.mkv")]
    assert len(packets[0]) == 2
    assert packets[1] == packets[0]
    with av.open(str(tmp_path / "b.mkv")) as result:
        assert result.streams.subtitles[0].language == "deu"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_chapters_are_kept(suffix, tmp_path):
    text = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={}\n"
    chapters = text.format(0, 200, "One") + text.format(200, 400, "Two")
    (tmp_path / "chapters.txt").write_text(f";FFMETADATA1\n{chapters}")
    source, given = tmp_path / "a.mkv", ("-i", tmp_path / "chapters.txt", "-map_metadata", 1)
    ffmpeg("-f", "lavfi", "-i", PATTERN, *given, "-c:v", "libx264", source)
    assert enlarge(source, tmp_path / f"b{suffix}") == []
    with av.open(str(tmp_path / f"b{suffix}")) as file:
        found = [
            (c["metadata"]["title"], float(c["start"] * c["time_base"])) for c in file.chapters()
        ]
    assert found == [("One", 0.0), ("Two", 0.2)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("order", "cover"), [((0, 1), 1), ((1, 0), 0)])
def test_a_cover_is_named_and_not_enlarged(order, cover, suffix, tmp_path):
    image = make(tmp_path / "c.png", "-frames:v", 1)
    maps = [word for number in order for word in ("-map", number)]
    flags = (f"-c:v:{cover}", "copy", f"-disposition:v:{cover}", "attached_pic")
    source, target = tmp_path / "a.mp4", tmp_path / f"b{suffix}"
    ffmpeg("-f", "lavfi", "-i", PATTERN, "-i", image, *maps, "-c:v", "libx264", *flags, source)
    assert enlarge(source, target) == ["left out: cover image"]
    with av.open(str(target)) as file:
        assert [(stream.width, stream.height) for stream in file.streams] == [(128, 96)]


def test_a_second_video_and_transparency_are_named(tmp_path):
    source = make(tmp_path / "a.mkv", "-map", 0, "-map", 0, "-c:v", "libx264")
    assert enlarge(source, tmp_path / "b.mkv") == ["left out: further video"]
    source = make(tmp_path / "a.webm", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p")
    assert enlarge(source, tmp_path / "b.webm") == ["the transparency of the video was left out"]
    with av.open(str(tmp_path / "b.webm")) as result:
        # Otherwise a player would look for transparency that is not there.
        assert "alpha_mode" not in {name.lower() for name in result.streams.video[0].metadata}
