"""LR images are paired in the layouts that they are shared in; what is not understood is named."""

import re

import numpy as np
import pytest
from PIL import Image

from subpixel.image import modcrop
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.pairs import find_pairs, load_pair, source_name
from subpixel.sr.evaluation import Protocol, evaluate
from subpixel.sr.inference.upscaler import BicubicUpscaler


def image(seed, height=48, width=60):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def given(hr, scale):
    """LR that bicubic would not make, so that a pairing shows."""
    return make_lr(hr, scale) - make_lr(hr, scale) // 32


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# Source, scale, pattern of originals, pattern of LR images, name of image 1.
PAIRED = {
    "SelfExSR": ("S/image_SRF_2", 2, "S/image_SRF_2/img_00{}_SRF_2_HR", "{}_SRF_2_LR", "img_001"),
    "SelfExSR, set": ("S", 4, "S/image_SRF_4/img_00{}_SRF_4_HR", "{}_SRF_4_LR", "img_001"),
    "RealSR": ("R", 4, "R/Canon_00{}_HR", "{}_LR4", "Canon_001"),
    "RealSR V3": ("Canon/Test/3", 3, "Canon/Test/3/Canon_00{}_HR", "{}_LR3", "Canon_001"),
    "in a folder": ("P", 2, "P/a{}", "P/a{}x2", "a1"),
    "in a folder, words": ("P", 2, "P/a{}_HR", "P/a{}_LR", "a1"),
    "in a folder, scale in both": ("P", 2, "P/a{}_x2_HR", "P/a{}_x2_LR", "a1_x2"),
    "GT and LQ": ("M", 2, "M/GT/{}", "M/LQ/{}", "1"),
    "gt and lq": ("M", 4, "M/gt/{}", "M/lq/{}", "1"),
    "HR and LR/X3": ("M", 3, "M/HR/{}", "M/LR/X3/{}", "1"),
    "BasicSR": ("M", 4, "M/GTmod12/{}", "M/LRbicx4/{}", "1"),
    "DIV2K": (
        "D/train", 2, "D/DIV2K_train_HR/000{}", "D/DIV2K_train_LR_bicubic/X2/000{}x2", "0001"
    ),
    "Flickr2K": (
        "Flickr2K", 3, "Flickr2K/Flickr2K_HR/00000{}",
        "Flickr2K/Flickr2K_LR_bicubic/X3/00000{}x3", "000001",
    ),
    "DF2K": ("D", 4, "D/DF2K_HR/000{}", "D/DF2K_LR_bicubic/X4/000{}x4", "0001"),
}  # fmt: skip

# Source, scale, patterns of originals and of LR images, and the `data.lr` and `data.lr_name` that
# pair them.
STATED = {
    "mild": (
        "D/train", 4, "D/DIV2K_train_HR/000{}", "D/DIV2K_train_LR_mild/000{}x4m",
        "DIV2K_train_LR_mild", "{name}x{r}m",
    ),
    "wild": (
        "D/train", 4, "D/DIV2K_train_HR/000{}", "D/DIV2K_train_LR_wild/000{}x4w2",
        "DIV2K_train_LR_wild", "{name}x{r}w2",
    ),
    "below a plain folder": (
        "U", 4, "U/{}", "U/LR_bicubic/X4/{}x4", "LR_bicubic/X{r}", "{name}x{r}"
    ),
    "beside a plain folder": ("M", 2, "M/{}", "M_LR/x2/{}", "../M_LR/x{r}", "{name}"),
    "sequences": (
        "train_sharp/000", 4, "train_sharp/000/0000{}", "train_sharp_bicubic/X4/000/0000{}",
        "../../train_sharp_bicubic/X{r}/000", "{name}",
    ),
    "sub-images": (
        "D/DIV2K_train_HR_sub", 2, "D/DIV2K_train_HR_sub/000{}_s001",
        "D/DIV2K_train_LR_bicubic/X2_sub/000{}_s001",
        "../DIV2K_train_LR_bicubic/X{r}_sub", "{name}",
    ),
    "another folder of a layout": ("M", 2, "M/HR/{}", "M/LRx2/{}", "LRx{r}", "{name}"),
}  # fmt: skip


def write_pairs(root, scale, hr, lr, count=2):
    for seed in range(1, count + 1):
        original = image(seed)
        path = root / f"{hr.format(seed)}.png"
        save(path, original)
        if lr.startswith("{}_"):
            base = path.stem.partition("_SRF_")[0].removesuffix("_HR")
            low = path.with_name(f"{lr.format(base)}.png")
        else:
            low = root / f"{lr.format(seed)}.png"
        save(low, given(original, scale))


@pytest.mark.parametrize("layout", PAIRED)
def test_known_layouts_are_paired(tmp_path, layout, caplog):
    source, scale, hr, lr, name = PAIRED[layout]
    write_pairs(tmp_path, scale, hr, lr)
    found = find_pairs(f"folder:{source}", tmp_path, scale)
    assert len(found) == 2
    assert found[0].name == name
    for seed, pair in enumerate(found, 1):
        low, original = load_pair(pair, scale)
        np.testing.assert_array_equal(original, image(seed))
        np.testing.assert_array_equal(low, given(original, scale))
    assert caplog.text == ""


@pytest.mark.parametrize("layout", STATED)
def test_any_other_place_of_lr_images_is_stated(tmp_path, layout):
    source, scale, hr, lr, folder, name = STATED[layout]
    write_pairs(tmp_path, scale, hr, lr)
    found = find_pairs(f"folder:{source}", tmp_path, scale, lr=folder, lr_name=name)
    assert len(found) == 2
    for seed, pair in enumerate(found, 1):
        low, original = load_pair(pair, scale)
        np.testing.assert_array_equal(original, image(seed))
        np.testing.assert_array_equal(low, given(original, scale))
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


@pytest.mark.parametrize("folder", ["LR_x2", "lr_x2", "LRBI", "LR4", "LR_4x", "LQ_x2"])
def test_a_folder_that_fits_no_layout_of_lr_images_is_refused(tmp_path, folder):
    """Nothing is made instead of the LR images that are meant."""
    write_pairs(tmp_path, 4, "M/HR/{}", f"M/{folder}/{{}}")
    message = rf"holds {folder}, which fits no layout .*expected LR_\{{kind\}}/X\{{r\}}.*data\.lr"
    with pytest.raises(InputError, match=message):
        find_pairs("M", tmp_path, 4)


def test_a_file_of_several_scales_beside_its_original_is_used_for_its_own(tmp_path, caplog):
    write_pairs(tmp_path, 2, "R/Canon_00{}_HR", "{}_LR2")
    write_pairs(tmp_path, 4, "R/Canon_00{}_HR", "{}_LR4")
    for scale in (2, 4):
        for seed, pair in enumerate(find_pairs("R", tmp_path, scale), 1):
            np.testing.assert_array_equal(load_pair(pair, scale)[0], given(image(seed), scale))
    assert [p.lr for p in find_pairs("R", tmp_path, 3)] == [None, None]
    assert caplog.text == ""


def test_a_folder_of_several_scales_is_used_for_each(tmp_path):
    for scale in (2, 3):
        write_pairs(tmp_path, scale, "M/HR/{}", f"M/LR/{{}}x{scale}")
        save(tmp_path / "M/HR/4x4.png", image(9))
        save(tmp_path / f"M/LR/4x4x{scale}.png", given(image(9), scale))
    for scale in (2, 3):
        found = find_pairs("M", tmp_path, scale)
        assert [p.name for p in found] == ["1", "2", "4x4"]
        np.testing.assert_array_equal(load_pair(found[2], scale)[0], given(image(9), scale))


# Files beside M/1.png that fit no layout.
UNFIT = ("1_LR", "c_LR", "Canon_9_LR4", "LR_1", "1.LR", "1 (LR)", "1lr", "1_lq", "LQ000")


@pytest.mark.parametrize("name", UNFIT)
def test_a_file_that_is_named_as_an_lr_image_and_fits_no_layout_is_refused(tmp_path, name):
    save(tmp_path / "M/1.png", image(1))
    save(tmp_path / f"M/{name}.png", image(1, 24, 30))
    message = rf"M/{re.escape(name)}\.png is named as an LR image and fits no layout"
    with pytest.raises(InputError, match=message):
        find_pairs("M", tmp_path, 2)


def test_what_fits_no_name_of_its_layout_is_named_and_not_counted(tmp_path, caplog):
    write_pairs(tmp_path, 2, "S/image_SRF_2/i{}_SRF_2_HR", "{}_SRF_2_LR")
    save(tmp_path / "S/image_SRF_2/i1_SRF_2_SRCNN.png", image(1))
    save(tmp_path / "S/image_SRF_2/i3_SRF_2_LR.png", image(3))
    assert [p.name for p in find_pairs("S", tmp_path, 2)] == ["i1", "i2"]
    (message,) = caplog.messages
    assert "2 images in" in message
    assert "fit neither {name}_SRF_{r}_HR nor {name}_SRF_{r}_LR" in message


def test_names_that_only_resemble_are_originals(tmp_path, caplog):
    for name in ("DSC1", "DSLR", "MEX4", "a_HR", "x3", "1_small", "1@2x"):
        save(tmp_path / f"M/{name}.png", image(1))
    names = [p.name for p in find_pairs("M", tmp_path, 2)]
    assert names == ["1@2x", "1_small", "DSC1", "DSLR", "MEX4", "a_HR", "x3"]
    assert caplog.text == ""


def test_an_image_of_the_name_of_an_lr_image_is_compared_with_its_original(tmp_path):
    """DSC1x2 beside DSC1 is its LR image, or an error."""
    for name in ("DSC1", "DSC1x2"):
        save(tmp_path / f"M/{name}.png", image(1))
    (pair,) = find_pairs("M", tmp_path, 2)
    with pytest.raises(InputError, match=r"DSC1x2\.png is as large as its original"):
        load_pair(pair, 2)


@pytest.mark.parametrize("folder", ["D/DIV2K_train_LR_bicubic/X2", "M/LQ", "M/LRbicx2", "LR/x4"])
def test_a_folder_of_lr_images_is_refused_as_originals(tmp_path, folder):
    save(tmp_path / folder / "1.png", image(1))
    with pytest.raises(InputError, match=r"is named as a folder of LR images, .* rename this one"):
        find_pairs(f"folder:{folder}", tmp_path, 2)


def test_an_original_without_its_lr_beside_it_is_named(tmp_path):
    write_pairs(tmp_path, 2, "R/Canon_00{}_HR", "{}_LR2")
    (tmp_path / "R/Canon_002_LR2.png").unlink()
    with pytest.raises(InputError, match=r"Canon_002_HR\.png has no counterpart"):
        find_pairs("R", tmp_path, 2)


def test_lr_that_was_enlarged_to_the_originals_size_is_refused(tmp_path):
    """Versions 1 and 2 of RealSR hold such pairs."""
    save(tmp_path / "R/Canon_001_HR.png", image(1))
    save(tmp_path / "R/Canon_001_LR2.png", image(1))
    (pair,) = find_pairs("R", tmp_path, 2)
    with pytest.raises(InputError, match=r"LR2.png is as large as its original.*x2 are 30x24"):
        load_pair(pair, 2)


def test_a_scale_that_a_set_does_not_have_is_refused(tmp_path):
    for scale in (2, 4):
        write_pairs(
            tmp_path, scale, f"S/image_SRF_{scale}/i{{}}_SRF_{scale}_HR", f"{{}}_SRF_{scale}_LR"
        )
    with pytest.raises(
        InputError, match=r"image_SRF_\{r\}; of its folders \(image_SRF_2, image_SRF_4\)"
    ):
        find_pairs("S", tmp_path, 3)
    assert [p.name for p in find_pairs("S", tmp_path)] == ["i1", "i2"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Set5/image_SRF_2", "Set5"),
        ("Set5_HR", "Set5"),
        ("Mine/4", "4"),
    ],
)
def test_a_folder_of_a_scale_is_named_by_its_set(source, name):
    assert source_name(source) == name


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
