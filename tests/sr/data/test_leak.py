"""Equal pixels are refused; what looks like an image of a benchmark is a warning that stays."""

import numpy as np
import pytest
from files import as_jpeg
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import ImageSource
from subpixel.sr.data.leak import check_no_leak
from subpixel.sr.data.pairs import Pair, find_pairs


def resized(image, factor):
    size = (int(image.shape[1] * factor), int(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


COPIES = {
    "JPEG": lambda image: as_jpeg(image, 30),
    "halved": lambda image: resized(image, 0.5),
    "enlarged": lambda image: resized(image, 1.7),
    "flipped": lambda image: image[:, ::-1],
    "turned": lambda image: np.rot90(image),
    "grey": lambda image: np.asarray(Image.fromarray(image).convert("L").convert("RGB")),
    "all of it": lambda image: as_jpeg(resized(np.rot90(image[::-1]), 0.4), 50),
}


def as_image(name, image):
    return Pair(name, ImageSource(name, lambda: np.ascontiguousarray(image)))


def test_copies_are_found_among_photographs(caplog):
    benchmark = find_pairs("embedded:test", None)
    training = find_pairs("embedded:train", None)[:2]
    assert check_no_leak(training, benchmark) == ""
    chelsea = benchmark[1].hr.load()
    made = [as_image(f"{name}.png", copy(chelsea)) for name, copy in COPIES.items()]
    sentence = check_no_leak([*training, *made], benchmark[1:])
    assert caplog.messages == [sentence]
    assert sentence.startswith(f"{len(made)} training images look like images of a benchmark")
    for image in made[:5]:
        assert f"{image.name} looks like skimage.data.chelsea" in sentence


def test_a_leak_can_be_a_warning_that_counts_images(caplog):
    """A training image that is in two benchmarks is one image, not two pairs."""
    benchmark = find_pairs("embedded:test", None)
    chelsea, rocket = benchmark[1].hr.load(), benchmark[2].hr.load()
    training = [as_image("one", chelsea), as_image("two", as_jpeg(rocket, 60))]
    twice = [*benchmark, as_image("same", chelsea)]
    message = r"^1 training images .*one is skimage\.data\.chelsea.*data\.on_leak=warn"
    with pytest.raises(InputError, match=message):
        check_no_leak(training, twice)
    sentence = check_no_leak(training, twice, on_leak="warn")
    equal, similar = caplog.messages
    assert sentence == f"{equal}. {similar}"
    assert equal.startswith("1 training images are also in a benchmark")
    assert similar.endswith("leave them out with data.exclude")


def test_images_without_contrast_are_refused_only_if_they_are_equal():
    flat = [as_image(str(v), np.full((40, 50, 3), v, np.uint8)) for v in (0, 90, 255)]
    tiny = as_image("tiny", np.zeros((1, 1, 3), np.uint8))
    check_no_leak([*flat[:2], tiny], flat[2:])
    with pytest.raises(InputError, match="1 training images"):
        check_no_leak(flat, [as_image("same", np.full((40, 50, 3), 90, np.uint8))])


def test_the_benchmark_in_bsds_is_found_and_nothing_else(data_root, tmp_path):
    b100 = find_pairs("B100", data_root)[:20]
    # B100 is BSDS500's val: saved again, under other names, among images that are not of it.
    for index, image in enumerate(b100[:6]):
        Image.fromarray(image.hr.load()).save(tmp_path / f"{index}.jpg", quality=70)
    others = find_pairs("BSDS500/train", data_root)[:10]
    copies = find_pairs(str(tmp_path), None)
    sentence = check_no_leak([*others, *copies], b100)
    assert sentence.startswith("6 training images")
    assert f"{copies[0].hr.short_source} looks like {b100[0].hr.short_source}" in sentence
    assert check_no_leak(others, b100) == ""
    with pytest.raises(InputError, match=r"^3 training images are also in a benchmark"):
        check_no_leak([*others, *b100[3:6]], b100)


@pytest.mark.slow
def test_one_image_of_the_training_sets_is_in_a_benchmark(data_root):
    benchmark = [p for name in ("Set5", "Set14", "B100") for p in find_pairs(name, data_root)]
    for name in ("T91", "General100", "BSDS500/test"):
        assert check_no_leak(find_pairs(name, data_root), benchmark) == ""
    sentence = check_no_leak(find_pairs("BSDS500/train", data_root), benchmark)
    assert sentence.startswith("1 training images")
    assert "302003.jpg looks like Set5/woman.png" in sentence
