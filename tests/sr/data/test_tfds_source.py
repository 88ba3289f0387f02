"""Our TFDS builders on small archives of the real structure, and what TFDS prepared."""

import importlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image
from tensorboardX.record_writer import RecordWriter

from subpixel.sr._support.errors import InputError
from subpixel.sr.data import find_images
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.data.preparation import prepare as prepare_pairs
from subpixel.sr.data.sources import load_pair

tfds = pytest.importorskip("tensorflow_datasets", reason="pip install 'subpixel[tfds]'")


def image(seed, height=12, width=16):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, kind="PNG"):
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind)
    return content.getvalue()


def decoded(content):
    return np.array(Image.open(io.BytesIO(content)))


HIGH = {"train": {"0001": image(1), "0002": image(2, 8, 20)}, "valid": {"0801": image(3)}}


def lr(image, scale=4):
    means = image.reshape(image.shape[0] // scale, scale, -1, scale, 3).mean((1, 3))
    return means.round().astype(np.uint8)


@pytest.fixture(scope="module")
def div2k(tmp_path_factory):
    """DIV2K prepared from its zip files; the data root that holds it."""
    importlib.import_module("subpixel.sr.datasets.tfds")

    root = tmp_path_factory.mktemp("div2k")
    for split, images in HIGH.items():
        with (
            zipfile.ZipFile(root / f"DIV2K_{split}_HR.zip", "w") as high_file,
            zipfile.ZipFile(root / f"DIV2K_{split}_LR_bicubic_X4.zip", "w") as low_file,
        ):
            high_file.writestr(f"DIV2K_{split}_HR/", "")
            for name, image in reversed(images.items()):
                high_file.writestr(f"DIV2K_{split}_HR/{name}.png", encoded(image))
                path = f"DIV2K_{split}_LR_bicubic/X4/{name}x4.png"
                low_file.writestr(path, encoded(lr(image)))
    prepare("subpixel_div2k/bicubic_x4", root)
    return root


def prepare(name, root):
    builder = tfds.builder(name, data_dir=root / "tensorflow_datasets")
    config = tfds.download.DownloadConfig(manual_dir=root)
    builder.download_and_prepare(download_config=config)
    return builder


def test_div2k_from_its_archives(div2k):
    name, home = "subpixel_div2k/bicubic_x4", div2k / "tensorflow_datasets"
    for split, original in (("train", "train"), ("validation", "valid")):
        source = tfds.data_source(name, data_dir=home, split=split, download=False)
        assert [record["name"].decode() for record in source] == list(HIGH[original])
        for record, image in zip(source, HIGH[original].values(), strict=True):
            np.testing.assert_array_equal(record["hr"], image)
            np.testing.assert_array_equal(record["lr"], lr(image))


def test_div2k_from_its_folders(tmp_path):
    for split, images in HIGH.items():
        folders = (
            tmp_path / "DIV2K" / f"DIV2K_{split}_HR",
            tmp_path / "DIV2K" / f"DIV2K_{split}_LR_unknown" / "X4",
        )
        for folder in folders:
            folder.mkdir(parents=True)
        for name, image in images.items():
            (folders[0] / f"{name}.png").write_bytes(encoded(image))
            (folders[1] / f"{name}x4.png").write_bytes(encoded(lr(image)))
    prepare("subpixel_div2k/unknown_x4", tmp_path)
    source = "tfds:subpixel_div2k/unknown_x4:validation"
    [found] = find_images(source, tmp_path, 4, Degradation(kind="unknown"))
    for loaded, expected in zip(
        load_pair(found, 4), (lr(HIGH["valid"]["0801"]), HIGH["valid"]["0801"]), strict=True
    ):
        np.testing.assert_array_equal(loaded, expected)


@pytest.mark.parametrize("where", ["archive", "folder"])
def test_bsds500_from_its_archive_and_from_folders(tmp_path, where):
    images = {
        f"BSR/BSDS500/data/images/{split}/{number}.jpg": encoded(image(number), "JPEG")
        for number, split in enumerate(("train", "train", "val", "test"))
    }
    if where == "archive":
        with tarfile.open(tmp_path / "BSR_bsds500.tgz", "w:gz") as file:
            for path, content in {**images, "BSR/BSDS500/data/groundTruth/0.mat": b"x"}.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    else:
        for path, content in images.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
    builder = prepare("subpixel_bsds500", tmp_path)
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    found = find_images("tfds:subpixel_bsds500:train", tmp_path)
    for one, (path, content) in zip(found, images.items(), strict=False):
        assert path.split("/")[-2] == "train"
        np.testing.assert_array_equal(one.load(), decoded(content))


def test_what_is_not_in_the_manual_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"DIV2K_train_HR\.zip .* https://data\.vision"):
        prepare("subpixel_div2k/bicubic_x2", tmp_path)


@pytest.fixture(scope="module")
def official(div2k):
    """TFDS's own div2k as it prepares it: TFRecord, several files, features hr and lr."""
    home = div2k / "tensorflow_datasets"
    ours = home / "subpixel_div2k" / "bicubic_x4" / "1.0.0"
    theirs = home / "div2k" / "bicubic_x4" / "2.0.0"
    theirs.mkdir(parents=True)
    info = json.loads((ours / "dataset_info.json").read_text())
    info |= {"name": "div2k", "version": "2.0.0", "fileFormat": "tfrecord"}
    for split in info["splits"]:
        split["shardLengths"] = ["1"] * int(split["shardLengths"][0])
        split["filepathTemplate"] = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    (theirs / "dataset_info.json").write_text(json.dumps(info))
    features = tfds.features.FeaturesDict(
        {"hr": tfds.features.Image(), "lr": tfds.features.Image()}
    )
    features.save_config(theirs)
    for split, images in (("train", HIGH["train"]), ("validation", HIGH["valid"])):
        for index, image in enumerate(images.values()):
            example = {"hr": io.BytesIO(encoded(image)), "lr": io.BytesIO(encoded(lr(image)))}
            record = features.serialize_example(features.encode_example(example))
            file = f"div2k-{split}.tfrecord-{index:05}-of-{len(images):05}"
            writer = RecordWriter(str(theirs / file))
            writer.write(record)
            writer.close()
    return div2k


def test_what_tfds_prepared_itself_is_read_as_it_is(official):
    found = find_images("tfds:div2k/bicubic_x4:train", official, 4)
    assert len(found) == 2
    for one, image in zip(found, HIGH["train"].values(), strict=True):
        np.testing.assert_array_equal(one.load(), image)
        assert one.load_lr is not None
        np.testing.assert_array_equal(one.load_lr(), lr(image))
    part = find_images("tfds:div2k/bicubic_x4:train[1:]", official, 3)
    assert len(part) == 1
    assert part[0].load_lr is None
    np.testing.assert_array_equal(part[0].load(), HIGH["train"]["0002"])


def test_served_images_follow_the_rules_of_files(tmp_path):
    """Grey is told by the stored mode, and transparency is refused, as in a folder."""
    folder = tmp_path / "BSDS500"
    contents = {"train": encoded(image(1)[..., 0]), "val": encoded(image(2)), "test": b""}
    transparent = io.BytesIO()
    Image.fromarray(np.dstack([image(3), image(3)[..., 0]])).save(transparent, "PNG")
    contents["test"] = transparent.getvalue()
    for split, content in contents.items():
        (folder / split).mkdir(parents=True)
        (folder / split / "one.png").write_bytes(content)
    prepare("subpixel_bsds500", tmp_path)
    (grey,), (colour,), (refused,) = (
        find_images(f"tfds:subpixel_bsds500:{split}", tmp_path)
        for split in ("train", "validation", "test")
    )
    assert (grey.is_grey(), colour.is_grey()) == (True, False)
    assert (grey.load() == image(1)[..., :1]).all()
    with pytest.raises(InputError, match=r"0 of tfds:subpixel_bsds500:test is transparent"):
        refused.load()


def test_a_record_file_that_breaks_off_is_named(official):
    path = next((official / "tensorflow_datasets/div2k").rglob("*validation.tfrecord*"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match=f"{path.name} breaks off"):
        find_images("tfds:div2k/bicubic_x4:validation", official)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:div2k/bicubic_x3", r"no set 'div2k/bicubic_x3' in .* there are: .*div2k/bicubic_x4"),
        ("tfds:", "no set '' in .* there are: .*div2k/bicubic_x4"),
        ("tfds:/etc", "no set '/etc' in .* there are: "),
        ("tfds:div2k/bicubic_x4:tst", "has no split 'tst': there are train, validation"),
    ],
)
def test_what_is_not_prepared_is_explained(official, source, message):
    with pytest.raises(InputError, match=message):
        find_images(source, official)


def test_no_tensorflow_is_imported(official):
    script = (
        "import sys; from pathlib import Path; import subpixel.sr.datasets.tfds;"
        "from subpixel.sr.data import find_images;"
        f"p = find_images('tfds:div2k/bicubic_x4', Path({str(official)!r}), 4);"
        "p[0].load(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_tfds_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        InputError, match=r"needs TensorFlow Datasets: pip install 'subpixel\[tfds\]'"
    ):
        find_images("tfds:div2k/bicubic_x4", None)


def test_parts_of_one_file_are_different_caches(official, tmp_path):
    first, second = (
        prepare_pairs(
            find_images(f"tfds:subpixel_div2k/bicubic_x4:train{part}", official),
            4,
            3,
            cache=tmp_path,
            small=0,
        )
        for part in ("[:1]", "[1:]")
    )
    assert first.folder != second.folder
    for pairs, image in ((first, HIGH["train"]["0001"]), (second, HIGH["train"]["0002"])):
        np.testing.assert_array_equal(pairs[0][1], image)
