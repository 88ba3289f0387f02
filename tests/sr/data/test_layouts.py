"""Every layout that people have on disk is found; a set that is not whole is refused by name."""

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import Degradation, make_lr
from subpixel.sr.data.pairs import find_pairs, load_pair, source_name
from subpixel.sr.data.preparation import prepare


def image(seed, height=36, width=48):
    """Smooth, as photographs are, so that it is told from another by its large shapes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def write(folder, names, scale=None, lr=make_lr, **size):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        hr = image(seed, **size)
        Image.fromarray(hr if scale is None else lr(hr, scale)).save(folder / name)


# Layout: where originals and LR images lie, how the latter are named, and by which names the
# set is found.
LAYOUTS = {
    "plain": ("Mine", None, "", ["Mine"]),
    "EDSR": ("Set5/HR", "Set5/LR_bicubic/X2", "x2", ["Set5", "Set5/HR"]),
    "BasicSR": ("Set5/GTmod12", "Set5/LRbicx2", "", ["Set5", "Set5/GTmod12"]),
    "DIV2K": (
        "DIV2K/DIV2K_train_HR",
        "DIV2K/DIV2K_train_LR_bicubic/X2",
        "x2",
        ["DIV2K/train", "DIV2K/DIV2K_train_HR"],
    ),
    "pairs": ("Mine/HR", "Mine/LR", "", ["Mine", "Mine/HR"]),
    "pairs of a scale": ("Mine/hr", "Mine/lr/x2", "", ["Mine", "Mine/hr"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_found_and_their_lr_images_are_used(tmp_path, layout):
    hr, lr, suffix, sources = LAYOUTS[layout]
    names = ["0001", "zwei Wörter"]
    write(tmp_path / hr, [f"{name}.png" for name in names])

    def darker(image, scale):
        return make_lr(image, scale) - make_lr(image, scale) // 32

    if lr:
        write(tmp_path / lr, [f"{name}{suffix}.png" for name in names], 2, darker)
    # As folders, since a named set must be whole.
    for source in (f"folder:{name}" for name in sources):
        found = find_pairs(source, tmp_path, 2)
        assert [p.name for p in found] == names
        for seed, p in enumerate(found):
            given, original = load_pair(p, 2)
            np.testing.assert_array_equal(original, image(seed))
            expected = (darker if lr else make_lr)(original, 2)
            np.testing.assert_array_equal(given, expected)
        if layout != "pairs":
            # There is none for x3, so it is made.
            other, original = load_pair(find_pairs(source, tmp_path, 3)[0], 3)
            np.testing.assert_array_equal(other, make_lr(original, 3))


def test_unknown_lr_images_are_a_choice_and_cannot_be_made(tmp_path):
    unknown = Degradation("unknown")
    write(tmp_path / "DIV2K/DIV2K_train_HR", ["1.png"])
    with pytest.raises(InputError, match=r"no folder of such LR images for x2"):
        find_pairs("folder:DIV2K/train", tmp_path, 2, unknown)
    write(
        tmp_path / "DIV2K/DIV2K_train_LR_unknown/X2",
        ["1x2.png"],
        2,
        lambda hr, scale: np.roll(make_lr(hr, scale, Degradation("blur")), 1, 0),
    )
    (found,) = find_pairs("folder:DIV2K/train", tmp_path, 2, unknown)
    assert found.lr.source.endswith("DIV2K_train_LR_unknown/X2/1x2.png")
    assert load_pair(found, 2, unknown)[0].shape == (18, 24, 3)
    (blurred,) = find_pairs("folder:DIV2K/train", tmp_path, 2, Degradation("blur"))
    assert blurred.lr is None
    with pytest.raises(InputError, match="cannot be computed"):
        make_lr(image(0), 2, unknown)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Set5", "Set5"),
        ("data/Set5/HR", "Set5"),
        ("Set14/GTmod12", "Set14"),
        ("DIV2K/DIV2K_valid_HR", "DIV2K_valid"),
        ("DIV2K/valid", "DIV2K_valid"),
        ("BSDS500/test", "BSDS500_test"),
        ("HR", "HR"),
    ],
)
def test_a_source_is_named_by_its_set(source, name):
    assert source_name(source) == name


def test_what_is_no_image_of_the_set_is_left_alone(tmp_path):
    write(tmp_path / "Mine", ["b.PNG", "a.Jpg"])
    for name in (".hidden.png", "._a.Jpg", "notes.txt"):
        (tmp_path / "Mine" / name).write_text("not an image")
    (tmp_path / "Mine" / "folder.png").mkdir()
    write(tmp_path / "elsewhere", ["c.png"])
    (tmp_path / "Mine" / "c.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    found = find_pairs("Mine", tmp_path)
    assert [p.name for p in found] == ["a", "b", "c"]
    (tmp_path / "elsewhere" / "c.png").unlink()
    with pytest.raises(InputError, match=r"c\.png is not there, or a link that leads nowhere"):
        found[-1].hr.load()


def test_names_are_the_same_however_an_accent_is_written(tmp_path):
    write(tmp_path / "Mine/HR", ["e\u0301te\u0301.png"])
    write(tmp_path / "Mine/LR/X2", ["\u00e9t\u00e9x2.png"], 2)
    (found,) = find_pairs("Mine", tmp_path, 2)
    assert found.name == "\u00e9t\u00e9"
    assert load_pair(found, 2)[0].shape == (18, 24, 3)


@pytest.mark.parametrize(
    ("hr", "lr", "message"),
    [
        (["a.png", "b.png"], ["ax2.png"], r"b\.png has no counterpart in .*X2"),
        (["a.png", "b.png", "c.png"], ["ax2.png"], r"b\.png .*, and 1 more have none"),
        (["a.png"], ["ax2.png", "bx2.png"], r"bx2\.png has no counterpart in .*HR"),
        (["a.png"], ["ax2.png", "a.png"], r"two files are the LR image of .*a\.png"),
        (["a.png", "a.bmp"], ["ax2.png"], r"two images have the same name.*a\.bmp and .*a\.png"),
    ],
)
def test_a_name_in_only_one_folder_or_twice_is_refused(tmp_path, hr, lr, message):
    write(tmp_path / "Set/HR", hr)
    write(tmp_path / "Set/LR_bicubic/X2", lr, 2)
    with pytest.raises(InputError, match=message):
        find_pairs("Set", tmp_path, 2)


def test_a_folder_of_several_sets_is_refused_with_their_names(tmp_path):
    for split in ("train", "valid"):
        write(tmp_path / f"DIV2K/DIV2K_{split}_HR", ["1.png"])
    with pytest.raises(InputError, match=r"more than one set: .*DIV2K_train_HR, .*DIV2K_valid_HR"):
        find_pairs("DIV2K", tmp_path)
    write(tmp_path / "Photos/summer", ["1.png"])
    with pytest.raises(InputError, match=r"has no images.* of its folders \(summer\)"):
        find_pairs("Photos", tmp_path)


@pytest.mark.parametrize(("height", "width"), [(37, 49), (36, 48), (36, 49)])
@pytest.mark.parametrize("cropped", [False, True])
def test_an_original_that_was_not_cropped_fits_either_way(tmp_path, height, width, cropped):
    write(tmp_path / "Set/HR", ["a.png"], height=height, width=width)
    rows, columns = (36, 48) if cropped else (height, width)
    write(
        tmp_path / "Set/LR/X2",
        ["a.png"],
        2,
        lambda hr, scale: make_lr(hr[:rows, :columns], scale),
        height=height,
        width=width,
    )
    (found,) = find_pairs("Set", tmp_path, 2)
    lr, hr = load_pair(found, 2)
    assert lr.shape == (18, 24, 3)
    np.testing.assert_array_equal(hr, image(0, height, width)[:36, :48])
    # Only the border next to what was dropped can differ.
    np.testing.assert_array_equal(lr[:15, :21], make_lr(hr, 2)[:15, :21])


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        (lambda hr, r: make_lr(hr, r)[:-1], r"ax2\.png has 24x17 .*a\.png, .* has 24x18"),
        (lambda hr, r: make_lr(hr, 3), "has 16x12 pixels, but x2 .* belongs to another scale"),
        (
            lambda hr, r: make_lr(image(7), r),
            r"ax2\.png is not the LR image of .*a\.png",
        ),
        (lambda hr, r: make_lr(hr, r)[::-1], "is not the LR image .* or rotated"),
    ],
)
def test_an_lr_image_of_another_image_is_refused(tmp_path, lr, message):
    write(tmp_path / "Set/HR", ["a.png"])
    write(tmp_path / "Set/LR_bicubic/X2", ["ax2.png"], 2, lr)
    (found,) = find_pairs("Set", tmp_path, 2)
    with pytest.raises(InputError, match=message):
        load_pair(found, 2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1)])
def test_a_image_of_a_pixel_is_refused_by_name(tmp_path, height, width):
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(tmp_path / "thin.png")
    with pytest.raises(
        InputError, match=rf"thin\.png has {width}x{height} pixels: .* the scale, 3"
    ):
        prepare(find_pairs(str(tmp_path), None, 3), 3, 1)


def test_a_image_of_400_million_pixels_is_refused_by_name(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "vast.png")
    with pytest.raises(InputError, match=r"vast\.png is too large: .*400000000.* Cut it into"):
        prepare(find_pairs(str(tmp_path), None, 3), 3, 1)
