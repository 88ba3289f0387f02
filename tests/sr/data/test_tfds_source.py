"""Sets that TensorFlow Datasets prepared are read without TensorFlow."""

import io
import json
import shutil
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.pairs import find_pairs, load_pair
from subpixel.sr.data.preparation import cache_name

tfds = pytest.importorskip("tensorflow_datasets", reason="pip install 'subpixel[tfds]'")


def image(seed, height=12, width=16):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return io.BytesIO(content.getvalue())


HIGH = {"train": {"0001": image(1), "0002": image(2, 8, 20)}, "valid": {"0801": image(3)}}


class Div2k(tfds.core.GeneratorBasedBuilder):
    """Images in a feature of TFDS's own div2k."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name="bicubic_x4")]
    SPLITS: ClassVar = {"train": HIGH["train"], "validation": HIGH["valid"]}
    KEY = "hr"

    def _info(self):
        features = {self.KEY: tfds.features.Image(shape=(None, None, None))}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(images) for name, images in self.SPLITS.items()}

    def _generate_examples(self, images):
        for name, image in images.items():
            yield name, {self.KEY: encoded(image)}


class Plain(Div2k):
    """Images of several modes."""

    BUILDER_CONFIGS: ClassVar = []
    SPLITS: ClassVar = {
        "train": {"0": image(1)[..., 0]},
        "validation": {"0": image(2)},
        "test": {"0": np.dstack([image(3), image(3)[..., 0]])},
    }
    KEY = "image"


def prepare(builder, root):
    made = builder(data_dir=root / "tensorflow_datasets", file_format="array_record")
    made.download_and_prepare()


@pytest.fixture(scope="module")
def div2k(tmp_path_factory):
    """The data root that holds the prepared set."""
    root = tmp_path_factory.mktemp("div2k")
    prepare(Div2k, root)
    return root


def test_what_is_prepared_as_array_record_is_read(div2k):
    for split, original in (("train", "train"), ("validation", "valid")):
        found = find_pairs(f"tfds:div2k/bicubic_x4:{split}", div2k, 4)
        assert [pair.name for pair in found] == [f"{i:05}" for i in range(len(HIGH[original]))]
        for pair, image in zip(found, HIGH[original].values(), strict=True):
            low, high = load_pair(pair, 4)
            np.testing.assert_array_equal(high, image)
            np.testing.assert_array_equal(low, make_lr(image, 4))
    part, other = (find_pairs(f"tfds:div2k/bicubic_x4:train[{i}]", div2k) for i in ("1:", ":1"))
    assert cache_name(part, {}) != cache_name(other, {})
    assert len(part) == 1
    np.testing.assert_array_equal(part[0].hr.load(), HIGH["train"]["0002"])


def test_served_images_follow_the_rules_of_files(tmp_path):
    """Grey is told by the stored mode, and transparency is refused, as in a folder."""
    prepare(Plain, tmp_path)
    (grey,), (colour,), (refused,) = (
        find_pairs(f"tfds:plain:{split}", tmp_path) for split in ("train", "validation", "test")
    )
    assert (grey.hr.is_grey(), colour.hr.is_grey()) == (True, False)
    assert (grey.hr.load() == image(1)[..., :1]).all()
    with pytest.raises(InputError, match=r"tfds:plain:test 0 is transparent"):
        refused.hr.load()


def test_a_set_that_only_tensorflow_reads_is_refused(div2k, tmp_path):
    folder = tmp_path / "tensorflow_datasets"
    shutil.copytree(div2k / "tensorflow_datasets", folder)
    path = next(folder.rglob("dataset_info.json"))
    info = json.loads(path.read_text()) | {"fileFormat": "tfrecord"}
    path.write_text(json.dumps(info))
    message = r"is prepared as tfrecord, .*: prepare it with file_format='array_record'"
    with pytest.raises(InputError, match=message):
        find_pairs("tfds:div2k/bicubic_x4", tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:div2k/bicubic_x3", r"no set 'div2k/bicubic_x3' in .* there are: .*div2k/bicubic_x4"),
        ("tfds:", "no set '' in .* there are: .*div2k/bicubic_x4"),
        ("tfds:/etc", "no set '/etc' in .* there are: "),
        ("tfds:div2k/bicubic_x4:tst", "has no split 'tst': there are train, validation"),
    ],
)
def test_what_is_not_prepared_is_explained(div2k, source, message):
    with pytest.raises(InputError, match=message):
        find_pairs(source, div2k)


def test_no_tensorflow_is_imported(div2k):
    script = (
        "import sys; from pathlib import Path;"
        "from subpixel.sr.data.pairs import find_pairs;"
        f"p = find_pairs('tfds:div2k/bicubic_x4', Path({str(div2k)!r}), 4);"
        "p[0].hr.load(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
