"""Every layout that people have on disk is found; what is not understood is refused by name."""

import re

import numpy as np
import pytest
from files import picture as image
from files import save
from PIL import Image

from subpixel.image import modcrop
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import Degradation, make_lr
from subpixel.sr.data.pairs import find_pairs, load_pair, source_name
from subpixel.sr.data.preparation import prepare
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import evaluate
from subpixel.sr.inference.upscaler import BicubicUpscaler


def given(hr, scale):
    """LR that bicubic would not make, so that a pairing shows."""
    return make_lr(hr, scale) - make_lr(hr, scale) // 32


def write(root, scale, hr, lr="", seeds=(1, 2), make=given):
    """Writes originals and their LR images, whose paths below the root are patterns."""
    for seed in seeds:
        save(root / f"{hr.format(seed)}.png", image(seed))
        if lr:
            save(root / f"{lr.format(seed)}.png", make(image(seed), scale))


# Sources, scale, patterns of originals and of LR images, name of image 1.
PAIRED = {
    "plain": (["M"], 2, "M/zwei Wörter {}", "", "zwei Wörter 1"),
    "EDSR": (["M", "M/HR"], 2, "M/HR/{}", "M/LR_bicubic/X2/{}x2", "1"),
    "BasicSR": (["M", "M/GTmod12"], 4, "M/GTmod12/{}", "M/LRbicx4/{}", "1"),
    "DIV2K": (
        ["D", "D/DIV2K_train_HR"], 2,
        "D/DIV2K_train_HR/000{}", "D/DIV2K_train_LR_bicubic/X2/000{}x2", "0001",
    ),
    "Flickr2K": (
        ["Flickr2K"], 3,
        "Flickr2K/Flickr2K_HR/00000{}", "Flickr2K/Flickr2K_LR_bicubic/X3/00000{}x3", "000001",
    ),
    "GT and LQ": (["M"], 2, "M/GT/{}", "M/LQ/{}", "1"),
    "HR and LR": (["M", "M/HR"], 2, "M/HR/{}", "M/LR/{}", "1"),
    "HR and LR/X3": (["M", "M/HR"], 3, "M/HR/{}", "M/LR/X3/{}", "1"),
    "hr and lr/x2": (["M", "M/hr"], 2, "M/hr/{}", "M/lr/x2/{}", "1"),
    "SelfExSR": (
        ["S", "S/image_SRF_2"], 2,
        "S/image_SRF_2/i_{}_SRF_2_HR", "S/image_SRF_2/i_{}_SRF_2_LR", "i_1",
    ),
    "RealSR": (["R"], 4, "R/Canon_{}_HR", "R/Canon_{}_LR4", "Canon_1"),
    "in a folder": (["P"], 2, "P/a{}", "P/a{}x2", "a1"),
    "in a folder, words": (["P"], 2, "P/a{}_HR", "P/a{}_LR", "a1"),
    "in a folder, scale in both": (["P"], 2, "P/a{}_x2_HR", "P/a{}_x2_LR", "a1_x2"),
}  # fmt: skip

# Source, scale, patterns of originals and of LR images, and the `data.lr` and `data.lr_name` that
# pair them.
STATED = {
    "mild": (
        "D/DIV2K_train_HR", 4, "D/DIV2K_train_HR/000{}", "D/DIV2K_train_LR_mild/000{}x4m",
        "DIV2K_train_LR_mild", "{name}x{r}m",
    ),
    "beside a plain folder": ("M", 2, "M/{}", "M_LR/x2/{}", "../M_LR/x{r}", "{name}"),
    "sequences": (
        "train_sharp/000", 4, "train_sharp/000/0000{}", "train_sharp_bicubic/X4/000/0000{}",
        "../../train_sharp_bicubic/X{r}/000", "{name}",
    ),
    "another folder of a layout": ("M", 2, "M/HR/{}", "M/LRx2/{}", "LRx{r}", "{name}"),
}  # fmt: skip


def assert_paired(found, scale, make):
    assert len(found) == 2
    for seed, pair in enumerate(found, 1):
        low, original = load_pair(pair, scale)
        np.testing.assert_array_equal(original, modcrop(image(seed), scale))
        np.testing.assert_array_equal(low, make(original, scale))


@pytest.mark.parametrize("layout", PAIRED)
def test_known_layouts_are_paired(tmp_path, layout, caplog):
    sources, scale, hr, lr, name = PAIRED[layout]
    write(tmp_path, scale, hr, lr)
    # As folders, since a named set must be whole.
    for source in sources:
        found = find_pairs(f"folder:{source}", tmp_path, scale)
        assert found[0].name == name
        assert_paired(found, scale, given if lr else make_lr)
    assert caplog.text == ""
    # There is none for another scale, so it is made.
    if "x{r}" in layout or layout in ("EDSR", "DIV2K", "hr and lr/x2", "RealSR", "plain"):
        other = 5 - scale if scale in (2, 3) else 3
        assert_paired(find_pairs(f"folder:{sources[0]}", tmp_path, other), other, make_lr)


@pytest.mark.parametrize("layout", STATED)
def test_any_other_place_of_lr_images_is_stated(tmp_path, layout):
    source, scale, hr, lr, folder, name = STATED[layout]
    write(tmp_path, scale, hr, lr)
    found = find_pairs(f"folder:{source}", tmp_path, scale, lr=folder, lr_name=name)
    assert_paired(found, scale, given)
    with pytest.raises(InputError, match=r"data\.lr is 'away/\{r\}', and .*away/\d is no folder"):
        find_pairs(f"folder:{source}", tmp_path, scale, lr="away/{r}")
    with pytest.raises(InputError, match=r"data\.lr is for folders, and embedded:train is none"):
        find_pairs("embedded:train", None, scale, lr=folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lr", "LR/{x}", r"data\.lr may contain \{r\} and no other braces; got 'LR/\{x\}'"),
        ("lr", "LR/{", r"data\.lr may contain"),
        ("lr_name", "{r}", r"data\.lr_name must contain \{name\}, .*; got '\{r\}'"),
        ("lr_name", "{name}{}", r"data\.lr_name may contain \{name\}, \{r\}"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        DataConfig(**{field: value})


def test_unknown_lr_images_are_a_choice_and_cannot_be_made(tmp_path):
    unknown = Degradation("unknown")
    write(tmp_path, 2, "DIV2K/DIV2K_train_HR/{}", seeds=[1])
    with pytest.raises(InputError, match=r"no folder of such LR images for x2"):
        find_pairs("folder:DIV2K/train", tmp_path, 2, unknown)
    lr = np.roll(make_lr(image(1), 2, Degradation("blur")), 1, 0)
    save(tmp_path / "DIV2K/DIV2K_train_LR_unknown/X2/1x2.png", lr)
    (found,) = find_pairs("folder:DIV2K/train", tmp_path, 2, unknown)
    np.testing.assert_array_equal(load_pair(found, 2, unknown)[0], lr)
    (blurred,) = find_pairs("folder:DIV2K/train", tmp_path, 2, Degradation("blur"))
    assert blurred.lr is None
    with pytest.raises(InputError, match="cannot be computed"):
        make_lr(image(0), 2, unknown)


def test_what_fits_no_name_of_its_layout_is_named_and_not_counted(tmp_path, caplog):
    write(tmp_path, 2, "S/image_SRF_2/i{}_SRF_2_HR", "S/image_SRF_2/i{}_SRF_2_LR")
    save(tmp_path / "S/image_SRF_2/i1_SRF_2_SRCNN.png", image(1))
    save(tmp_path / "S/image_SRF_2/i3_SRF_2_LR.png", image(3))
    assert [p.name for p in find_pairs("S", tmp_path, 2)] == ["i1", "i2"]
    (message,) = caplog.messages
    assert "2 images in" in message
    assert "fit neither {name}_SRF_{r}_HR nor {name}_SRF_{r}_LR" in message


def test_names_that_only_resemble_are_originals(tmp_path, caplog):
    names = ["1@2x", "1_small", "DSC1", "DSLR", "MEX4", "a_HR", "x3"]
    for name in names:
        save(tmp_path / f"M/{name}.png", image(1))
    assert [p.name for p in find_pairs("M", tmp_path, 2)] == names
    assert caplog.text == ""


UNFIT = r"which fits no layout .*expected LR_\{kind\}/X\{r\}.*data\.lr"
LR_NAMED = r"\.png is named as an LR image and fits no layout"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        # Nothing is made instead of the LR images that are meant.
        *(
            (f"HR/a {folder}/a", f"holds {folder}, {UNFIT}")
            for folder in ("LR_x4", "lr_x4", "LRBI", "LR4", "LR_4x", "LQ_x4")
        ),
        *(
            (f"1 {name}", f"M/{re.escape(name)}{LR_NAMED}")
            for name in ("1_LR", "c_LR", "Canon_9_LR4", "LR_1", "1.LR", "1(LR)", "1lr", "1_lq")
        ),
        ("HR/a HR/b LR_bicubic/X2/ax2", r"b\.png has no counterpart in .*X2"),
        ("HR/a HR/b HR/c LR_bicubic/X2/ax2", r"b\.png .*, and 1 more have none"),
        ("HR/a LR_bicubic/X2/ax2 LR_bicubic/X2/bx2", r"bx2\.png has no counterpart in .*HR"),
        ("HR/a LR_bicubic/X2/ax2 LR_bicubic/X2/a", r"two files are the LR image of .*a\.png"),
        (
            "HR/a HR/a.bmp LR_bicubic/X2/ax2",
            r"two images have the same name.*a\.bmp and .*a\.png",
        ),
        ("C_1_HR C_1_LR2 C_2_HR", r"C_2_HR\.png has no counterpart"),
        ("HR/a LR/a LR_bicubic/X2/ax2", r"2 folders hold LR images for x2: .*LR.*, .*LR"),
        ("DIV2K_train_HR/1 DIV2K_valid_HR/1", r"more than one set: .*train_HR, .*valid_HR"),
        ("summer/1", r"has no images.* of its folders \(summer\)"),
        ("image_SRF_3/i_SRF_3_HR", r"image_SRF_\{r\}; of its folders \(image_SRF_3\)"),
    ],
)
def test_a_set_that_is_not_one_or_not_whole_is_refused(tmp_path, files, message):
    for name in files.split():
        suffix = "" if name.endswith(".bmp") else ".png"
        save(tmp_path / "M" / f"{name}{suffix}", image(0))
    with pytest.raises(InputError, match=message):
        find_pairs("M", tmp_path, 2)


@pytest.mark.parametrize("folder", ["D/DIV2K_train_LR_bicubic/X2", "M/LQ", "M/LRbicx2", "LR/x4"])
def test_a_folder_of_lr_images_is_refused_as_originals(tmp_path, folder):
    save(tmp_path / folder / "1.png", image(1))
    with pytest.raises(InputError, match=r"named as a folder of LR images, .* rename this one"):
        find_pairs(f"folder:{folder}", tmp_path, 2)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Set5", "Set5"),
        ("data/Set5/HR", "Set5"),
        ("Set5/image_SRF_2", "Set5"),
        ("Set5_HR", "Set5"),
        ("DIV2K/DIV2K_valid_HR", "DIV2K_valid"),
        ("DIV2K/valid", "DIV2K_valid"),
        ("HR", "HR"),
        ("Mine/4", "4"),
    ],
)
def test_a_source_is_named_by_its_set(source, name):
    assert source_name(source) == name


def test_names_are_the_same_however_an_accent_is_written(tmp_path):
    save(tmp_path / "Mine/HR/e\u0301te\u0301.png", image(1))
    save(tmp_path / "Mine/LR/X2/\u00e9t\u00e9x2.png", given(image(1), 2))
    (found,) = find_pairs("Mine", tmp_path, 2)
    assert found.name == "\u00e9t\u00e9"
    np.testing.assert_array_equal(load_pair(found, 2)[0], given(image(1), 2))


@pytest.mark.parametrize(("height", "width"), [(37, 49), (36, 48), (36, 49)])
@pytest.mark.parametrize("cropped", [False, True])
def test_an_original_that_was_not_cropped_fits_either_way(tmp_path, height, width, cropped):
    whole = image(0, height, width)
    rows, columns = (36, 48) if cropped else (height, width)
    save(tmp_path / "Set/HR/a.png", whole)
    save(tmp_path / "Set/LR/X2/a.png", make_lr(whole[:rows, :columns], 2))
    (found,) = find_pairs("Set", tmp_path, 2)
    lr, hr = load_pair(found, 2)
    assert lr.shape == (18, 24, 3)
    np.testing.assert_array_equal(hr, whole[:36, :48])
    # Only the border next to what was dropped can differ.
    np.testing.assert_array_equal(lr[:15, :21], make_lr(hr, 2)[:15, :21])


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        (lambda hr: make_lr(hr, 2)[:-1], r"ax2\.png has 24x17 .*a\.png, .* has 24x18"),
        (lambda hr: make_lr(hr, 3), "has 16x12 pixels, but x2 .* belongs to another scale"),
        (lambda hr: make_lr(image(7), 2), r"ax2\.png is not the LR image of .*a\.png"),
        (lambda hr: make_lr(hr, 2)[::-1], "is not the LR image .* or rotated"),
        # Versions 1 and 2 of RealSR hold such pairs.
        (lambda hr: hr, r"ax2\.png has 48x36 .*as in versions 1 and 2 of RealSR"),
    ],
)
def test_an_lr_image_of_another_image_is_refused(tmp_path, lr, message):
    save(tmp_path / "M/a.png", image(0))
    save(tmp_path / "M/ax2.png", lr(image(0)))
    (found,) = find_pairs("M", tmp_path, 2)
    with pytest.raises(InputError, match=message):
        load_pair(found, 2)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((1, 1), r"has 1x1 pixels: .* the scale, 3"),
        ((5000, 1), r"has 5000x1 pixels: .* the scale, 3"),
        ((1, 5000), r"has 1x5000 pixels: .* the scale, 3"),
        ((20_000, 20_000), r"is too large: .*400000000.* Cut it into"),
    ],
)
def test_images_of_extreme_sizes_are_refused_by_name(tmp_path, size, message):
    Image.new("1", size).save(tmp_path / "odd.png")
    with pytest.raises(InputError, match=rf"odd\.png {message}"):
        prepare(find_pairs(str(tmp_path), None, 3), 3, 1)


def test_set5_in_the_layout_of_selfexsr_has_bicubics_psnr(data_root, tmp_path):
    """33.64 dB over five images was established independently; over ten it would be 32.19."""
    folder = tmp_path / "Set5/image_SRF_2"
    for number, original in enumerate(find_pairs("Set5", data_root), 1):
        hr = modcrop(original.hr.load(), 2)
        save(folder / f"img_{number:03}_SRF_2_HR.png", hr)
        save(folder / f"img_{number:03}_SRF_2_LR.png", make_lr(hr, 2))
    images = find_pairs("folder:Set5", tmp_path, 2)
    scores = evaluate({"bicubic": BicubicUpscaler(2)}, images, Protocol(2))["bicubic"]
    assert len(scores.psnr) == 5
    assert scores.protocol.lr_from == "files"
    assert scores.mean_psnr == pytest.approx(33.64, abs=0.005)
