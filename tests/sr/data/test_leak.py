"""An image of a benchmark is recognised among the training images, whatever was done to it."""

import io

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data import ImageSource, Pair, check_no_leak, find_pairs


def saved_as_jpeg(image, quality):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def resized(image, factor):
    size = (int(image.shape[1] * factor), int(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


COPIES = {
    "itself": lambda image: image,
    "JPEG": lambda image: saved_as_jpeg(image, 30),
    "halved": lambda image: resized(image, 0.5),
    "enlarged": lambda image: resized(image, 1.7),
    "flipped": lambda image: image[:, ::-1],
    "turned": lambda image: np.rot90(image),
    "grey": lambda image: np.repeat(
        np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, 2
    ),
    "all of it": lambda image: saved_as_jpeg(resized(np.rot90(image[::-1]), 0.4), 50),
}


def as_image(name, image):
    return Pair(name, ImageSource(name, lambda: np.ascontiguousarray(image)))


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found_among_photographs(copy):
    benchmark = find_pairs("embedded:test", None)
    training = find_pairs("embedded:train", None)[:2]
    check_no_leak(training, benchmark)
    made = as_image("made.png", COPIES[copy](benchmark[1].hr.load()))
    message = r"1 training images .*made\.png is skimage\.data\.chelsea"
    with pytest.raises(InputError, match=message):
        check_no_leak([*training, made], benchmark)


def test_images_without_contrast_are_not_taken_for_copies():
    flat = [as_image(str(v), np.full((40, 50, 3), v, np.uint8)) for v in (0, 90, 255)]
    tiny = as_image("tiny", np.zeros((1, 1, 3), np.uint8))
    check_no_leak([*flat[:2], tiny], flat[2:])
    with pytest.raises(InputError, match="1 training images"):
        check_no_leak(flat, [as_image("same", np.full((40, 50, 3), 90, np.uint8))])


def test_the_benchmark_in_bsds_is_caught_and_nothing_else(data_root, tmp_path):
    b100 = find_pairs("B100", data_root)[:20]
    # B100 is BSDS500's val: saved again, under other names, among images that are not of it.
    for index, image in enumerate(b100[:6]):
        Image.fromarray(image.hr.load()).save(tmp_path / f"{index}.jpg", quality=70)
    others = find_pairs("BSDS500/train", data_root)[:10]
    copies = find_pairs(str(tmp_path), None)
    with pytest.raises(InputError) as error:
        check_no_leak([*others, *copies], b100)
    assert str(error.value).startswith("6 training images")
    assert f"{copies[0].hr.source} is {b100[0].hr.source}" in str(error.value)
    check_no_leak(others, b100)


@pytest.mark.slow
def test_one_image_of_the_training_sets_is_in_a_benchmark(data_root):
    benchmark = [p for name in ("Set5", "Set14", "B100") for p in find_pairs(name, data_root)]
    for name in ("T91", "General100", "BSDS500/test"):
        check_no_leak(find_pairs(name, data_root), benchmark)
    with pytest.raises(InputError, match=r"^1 training images .*302003\.jpg is .*woman\.png"):
        check_no_leak(find_pairs("BSDS500/train", data_root), benchmark)
