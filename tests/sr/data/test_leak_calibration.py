"""Copies are found and unrelated images are not, also where images are not natural scenes."""

import io
from functools import partial

import numpy as np
import pytest
from graphics import GRAPHICS, disc, rgb, texture
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from subpixel.image import modcrop
from subpixel.sr._support.errors import InputError
from subpixel.sr.data import ImageSource, Pair, find_pairs
from subpixel.sr.data.leak import check_no_leak, find_copies, fingerprint


def as_images(arrays):
    return [
        Pair(str(i), ImageSource(f"image {i}", lambda array=array: np.ascontiguousarray(array)))
        for i, array in enumerate(arrays)
    ]


def count_copies(arrays, others):
    images = as_images(arrays)
    return len(find_copies(images, [fingerprint(a) for a in arrays], as_images(others)))


def ellipse(rng, contrast, slope):
    y, x = np.mgrid[:160, :160]
    inside = ((y - 80) / 60) ** 2 + ((x - 80) / 48) ** 2 < 1
    return rgb(inside * (120 + contrast * texture(rng, 160, slope)))


def scan_of_a_head(rng):
    y, x = np.mgrid[:192, :192]
    radius = np.hypot((y - 96) / 80, (x - 96) / 64)
    bone = 220 * ((radius > 0.92) & (radius < 1))
    return rgb(bone + (radius < 0.88) * (100 + 30 * texture(rng, 192, 1.5)))


def face(rng):
    y, x = np.mgrid[:160, :128]
    values = np.full((160, 128), 230.0)

    def fill(row, column, height, width, level):
        row, column = row + rng.normal(0, 1.5), column + rng.normal(0, 1.5)
        inside = ((y - row) / height) ** 2 + ((x - column) / width) ** 2 < 1
        values[inside] = level + rng.normal(0, 5)

    fill(80, 64, 58, 42, 170)
    for side in (-18, 18):
        fill(68, 64 + side, 5, 9, 60)
        fill(54, 64 + side, 2.5, 12, 50)
    fill(112, 64, 5, 16, 110)
    fill(92, 64, 7, 5, 150)
    return rgb(ndimage.gaussian_filter(values, 1) + 5 * texture(rng, 160, 1)[:, :128])


def document(rng, *, form):
    font = ImageFont.load_default(14 if form else 11)
    image = Image.new("L", (300, 400), 255)
    draw = ImageDraw.Draw(image)
    for line in range(9 if form else 24):
        letters = "".join(
            rng.choice(list("ABCDEFGHIJ 0123456789" if form else "etaoin shrdlu"), 40)
        )
        if form:
            draw.rectangle((20, 20 + 40 * line, 280, 50 + 40 * line), outline=0, width=2)
            draw.text((30, 26 + 40 * line), letters[:18], fill=0, font=font)
        else:
            draw.text((20, 16 + 15 * line), letters, fill=0, font=font)
    return rgb(np.asarray(image))


def satellite(rng):
    values = 110 + 25 * texture(rng, 256, 1.2)
    for _ in range(40):
        top, left = rng.integers(0, 230, 2)
        height, width = rng.integers(8, 40, 2)
        values[top : top + height, left : left + width] += rng.normal(0, 25)
    return rgb(values)


def icon(rng):
    image = Image.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((4, 4, 60, 60), outline=0, width=3)
    for _ in range(3):
        x, y = rng.integers(14, 34, 2)
        width, height = rng.integers(8, 22, 2)
        draw.rectangle((x, y, x + width, y + height), fill=int(rng.integers(0, 150)))
    return np.asarray(image)


UNRELATED = {
    "ellipses, fine, faint": partial(ellipse, contrast=5, slope=0),
    "ellipses, coarse, faint": partial(ellipse, contrast=5, slope=1),
    "ellipses, fine": partial(ellipse, contrast=20, slope=0),
    "ellipses, strong": partial(ellipse, contrast=40, slope=0.5),
    "scans of heads": scan_of_a_head,
    "faces on plain ground": face,
    "pages of text": partial(document, form=False),
    "filled forms": partial(document, form=True),
    "satellite": satellite,
    "icons": icon,
}


@pytest.mark.parametrize(
    ("make", "count"),
    [
        pytest.param(make, count, id=kind)
        for kinds, count in ((UNRELATED, (30, 20)), (GRAPHICS, (12, 6)))
        for kind, make in kinds.items()
    ],
)
@pytest.mark.usefixtures("without_shape_checks")  # thousands of pairs; the tests below check shapes
def test_unrelated_images_are_not_taken_for_copies(make, count):
    training, benchmark = (
        [make(np.random.default_rng([stream, i])) for i in range(number)]
        for stream, number in enumerate(count, start=1)
    )
    assert count_copies(training, benchmark) == 0


def test_flat_discs_of_other_colours_are_not_taken_for_copies():
    discs = [disc(np.random.default_rng([3, i])) for i in range(30)]
    assert count_copies(discs[:20], discs[20:]) == 0
    # The same form in the same place, in another colour or at another brightness of the ground.
    red, blue, grey = (
        np.where(discs[0] == 255, ground, np.array(colour, np.uint8)).astype(np.uint8)
        for ground, colour in ((255, (200, 60, 60)), (255, (60, 60, 200)), (225, (200, 60, 60)))
    )
    assert count_copies([red], [blue, grey]) == 0


def jpeg(image, quality):
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def resized(image, factor):
    size = [max(1, round(n * factor)) for n in image.shape[1::-1]]
    whole = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(whole.resize(size, Image.Resampling.BICUBIC))


def cropped(image, part):
    rows, columns = (round(n * part) for n in image.shape[:2])
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def grey(image):
    return rgb(np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"), float))


# What is done to an image, and the part of the images of Set5, Set14 and B100 that must be found.
COPIES = {
    "the same": (lambda image: image, 1.0),
    "half the size": (lambda image: resized(image, 0.5), 1.0),
    "a third": (lambda image: resized(image, 1 / 3), 1.0),
    "a quarter": (lambda image: resized(image, 0.25), 1.0),
    "1.7 times the size": (lambda image: resized(image, 1.7), 1.0),
    "JPEG 75": (lambda image: jpeg(image, 75), 1.0),
    "JPEG 30": (lambda image: jpeg(image, 30), 1.0),
    "JPEG 10": (lambda image: jpeg(image, 10), 0.95),
    "flipped": (lambda image: image[:, ::-1], 1.0),
    "rotated": (lambda image: np.rot90(image), 1.0),
    "transposed": (lambda image: image.transpose(1, 0, 2), 1.0),
    "grey": (grey, 1.0),
    "darker": (lambda image: (image * 0.6).astype(np.uint8), 1.0),
    "cropped 1%": (lambda image: cropped(image, 0.01), 1.0),
    "cropped 2%": (lambda image: cropped(image, 0.02), 1.0),
    "cropped to 12": (lambda image: modcrop(image, 12), 1.0),
    "all of it": (lambda image: jpeg(grey(resized(image[:, ::-1], 0.4)), 40), 0.95),
}  # fmt: skip


def found_among(images, change):
    copies = [change(image) for image in images]
    return sum(count_copies([copy], [image]) for copy, image in zip(copies, images, strict=True))


@pytest.mark.parametrize("change", COPIES)
def test_copies_of_photographs_are_found(change):
    benchmark = [image.hr.load() for image in find_pairs("embedded:test", None)]
    assert found_among(benchmark, COPIES[change][0]) == len(benchmark)


@pytest.mark.parametrize("kind", ["flat discs", "app icons", "pie charts", "flat faces", "letters"])
def test_copies_of_graphics_are_found(kind):
    image = GRAPHICS[kind](np.random.default_rng([1, 0]))
    for change in ("the same", "half the size", "JPEG 75", "flipped", "darker", "cropped 1%"):
        assert found_among([image], COPIES[change][0]) == 1, change


@pytest.mark.slow
@pytest.mark.parametrize("change", COPIES)
def test_copies_of_the_benchmarks_are_found(data_root, change):
    sources = ("Set5", "Set14", "B100")
    images = [image.hr.load() for source in sources for image in find_pairs(source, data_root)]
    alter, share = COPIES[change]
    found = found_among(images, alter)
    print(f"{change}: {found} of {len(images)}")
    assert found >= share * len(images)


def test_a_leak_can_be_a_warning_that_counts_images(caplog):
    """Three training images of which one is in two benchmarks are one image, not two pairs."""
    benchmark = find_pairs("embedded:test", None)
    chelsea = benchmark[1].hr.load()
    training = as_images([jpeg(chelsea, 60), UNRELATED["satellite"](np.random.default_rng(3))])
    twice = [*benchmark, *as_images([chelsea])]
    with pytest.raises(InputError, match=r"^1 training images .*data\.on_leak=warn"):
        check_no_leak(training, twice)
    sentence = check_no_leak(training, twice, on_leak="warn")
    assert sentence.startswith("1 training images are also in a benchmark")
    assert caplog.messages == [sentence]
    assert check_no_leak(training[1:], twice) == ""
