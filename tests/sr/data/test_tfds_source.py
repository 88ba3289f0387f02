"""Sets that TFDS prepared, as ArrayRecord and as TFRecord."""

import io
import json
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from tensorboardX.record_writer import RecordWriter

from subpixel.sr._support.errors import InputError
from subpixel.sr.data import find_pairs
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.data.pairs import load_pair
from subpixel.sr.data.preparation import prepare as prepare_pairs

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


class Div2k(tfds.core.GeneratorBasedBuilder):
    """Pairs of images in the features of TFDS's own div2k."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name="bicubic_x4")]
    SPLITS: ClassVar = {"train": HIGH["train"], "validation": HIGH["valid"]}

    def _info(self):
        features = {"hr": tfds.features.Image(), "lr": tfds.features.Image()}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(images) for name, images in self.SPLITS.items()}

    def _generate_examples(self, images):
        for name, image in images.items():
            yield name, {"hr": io.BytesIO(encoded(image)), "lr": io.BytesIO(encoded(lr(image)))}


class Plain(Div2k):
    """Files as they are, one in each split."""

    BUILDER_CONFIGS: ClassVar = []
    SPLITS: ClassVar = {}

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, None))}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _generate_examples(self, content):
        yield "0", {"image": io.BytesIO(content)}


def prepare(builder, root):
    made = builder(data_dir=root / "tensorflow_datasets", file_format="array_record")
    made.download_and_prepare()


@pytest.fixture(scope="module")
def div2k(tmp_path_factory):
    """The data root that holds the prepared set."""
    root = tmp_path_factory.mktemp("div2k")
    prepare(Div2k, root)
    (root / "tensorflow_datasets/div2k").rename(root / "tensorflow_datasets/prepared_div2k")
    return root


def test_what_is_prepared_as_array_record_is_read(div2k):
    for split, original in (("train", "train"), ("validation", "valid")):
        found = find_pairs(f"tfds:prepared_div2k/bicubic_x4:{split}", div2k, 4)
        assert [pair.name for pair in found] == [f"{i:05}" for i in range(len(HIGH[original]))]
        for pair, image in zip(found, HIGH[original].values(), strict=True):
            low, high = load_pair(pair, 4)
            np.testing.assert_array_equal(high, image)
            np.testing.assert_array_equal(low, lr(image))
    with pytest.raises(InputError, match=r'"unknown", and tfds:.* has none for x4'):
        find_pairs("tfds:prepared_div2k/bicubic_x4:train", div2k, 4, Degradation(kind="unknown"))


@pytest.fixture(scope="module")
def official(div2k):
    """TFDS's own div2k as it prepares it: TFRecord, several files, features hr and lr."""
    home = div2k / "tensorflow_datasets"
    ours = home / "prepared_div2k" / "bicubic_x4" / "1.0.0"
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
    found = find_pairs("tfds:div2k/bicubic_x4:train", official, 4)
    assert len(found) == 2
    for one, image in zip(found, HIGH["train"].values(), strict=True):
        np.testing.assert_array_equal(one.hr.load(), image)
        assert one.lr is not None
        np.testing.assert_array_equal(one.lr.load(), lr(image))
    part = find_pairs("tfds:div2k/bicubic_x4:train[1:]", official, 3)
    assert len(part) == 1
    assert part[0].lr is None
    np.testing.assert_array_equal(part[0].hr.load(), HIGH["train"]["0002"])


def test_served_images_follow_the_rules_of_files(tmp_path, monkeypatch):
    """Grey is told by the stored mode, and transparency is refused, as in a folder."""
    transparent = io.BytesIO()
    Image.fromarray(np.dstack([image(3), image(3)[..., 0]])).save(transparent, "PNG")
    splits = {"train": encoded(image(1)[..., 0]), "validation": encoded(image(2))}
    monkeypatch.setattr(Plain, "SPLITS", {**splits, "test": transparent.getvalue()})
    prepare(Plain, tmp_path)
    (grey,), (colour,), (refused,) = (
        find_pairs(f"tfds:plain:{split}", tmp_path) for split in ("train", "validation", "test")
    )
    assert (grey.hr.is_grey(), colour.hr.is_grey()) == (True, False)
    assert (grey.hr.load() == image(1)[..., :1]).all()
    with pytest.raises(InputError, match=r"tfds:plain:test 0 is transparent"):
        refused.hr.load()


def test_a_record_file_that_breaks_off_is_named(official):
    path = next((official / "tensorflow_datasets/div2k").rglob("*validation.tfrecord*"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match=f"{path.name} breaks off"):
        find_pairs("tfds:div2k/bicubic_x4:validation", official)
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
        find_pairs(source, official)


def test_no_tensorflow_is_imported(official):
    script = (
        "import sys; from pathlib import Path;"
        "from subpixel.sr.data import find_pairs;"
        f"p = find_pairs('tfds:div2k/bicubic_x4', Path({str(official)!r}), 4);"
        "p[0].hr.load(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_tfds_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        InputError, match=r"needs TensorFlow Datasets: pip install 'subpixel\[tfds\]'"
    ):
        find_pairs("tfds:div2k/bicubic_x4", None)


def test_parts_of_one_file_are_different_caches(official, tmp_path):
    first, second = (
        prepare_pairs(
            find_pairs(f"tfds:prepared_div2k/bicubic_x4:train{part}", official),
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
