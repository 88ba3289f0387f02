"""Batches: aligned, uniform over places, reproducible, resumable."""

import numpy as np

from subpixel.sr.data.patches import PatchCutter, batches

SCALE, PATCH = 3, 4


def coded_pair(height, width, index):
    """Low-resolution pixels that tell where they come from, and their enlargement by repetition."""
    y, x = np.mgrid[:height, :width]
    lr = np.stack([y, x, np.full_like(y, index)], axis=-1).astype(np.uint8)
    return lr, lr.repeat(SCALE, 0).repeat(SCALE, 1)


def cutter(pairs, batch_size=8, augment=True):
    return PatchCutter(pairs, scale=SCALE, patch_size=PATCH, batch_size=batch_size, augment=augment)


def test_lr_and_hr_patches_show_the_same_place():
    cut = cutter([coded_pair(9, 7, 0), coded_pair(5, 12, 1)], batch_size=64)
    batch = cut(0, np.random.default_rng(0))
    assert batch["lr"].shape == (64, PATCH, PATCH, 3)
    enlarged = batch["lr"].repeat(SCALE, 1).repeat(SCALE, 2)
    np.testing.assert_array_equal(enlarged, batch["hr"])


def test_every_place_of_every_image_is_equally_likely():
    pairs = [coded_pair(6, 5, 0), coded_pair(4, 8, 1)]
    batch = cutter(pairs, batch_size=22_000, augment=False)(0, np.random.default_rng(0))
    corners, counts = np.unique(batch["lr"][:, 0, 0], axis=0, return_counts=True)
    assert len(corners) == 3 * 2 + 1 * 5
    # 2,000 expected of each; 5 standard deviations are about 215.
    assert abs(counts - 2000).max() < 215


def test_every_image_is_equally_likely_when_images_are_sampled():
    pairs = [coded_pair(4, 4, 0), coded_pair(12, 12, 1), coded_pair(5, 6, 2)]
    settings = {"scale": SCALE, "patch_size": PATCH, "batch_size": 18_000, "augment": False}
    batch = PatchCutter(pairs, **settings, sampling="images")(0, np.random.default_rng(0))
    corners, counts = np.unique(batch["lr"][:, 0, 0], axis=0, return_counts=True)
    images = corners[:, 2]
    assert [np.sum(images == image) for image in range(3)] == [1, 9 * 9, 2 * 3]
    # 6,000 expected of each image; 5 standard deviations are about 316.
    assert all(abs(counts[images == image].sum() - 6000) < 316 for image in range(3))
    # 1,000 expected of each position of the third image; 5 standard deviations are about 155.
    assert abs(counts[images == 2] - 1000).max() < 155


def test_a_process_that_cuts_its_own_rows_cuts_those_of_the_whole_batch():
    pairs = [coded_pair(9, 7, 0), coded_pair(5, 12, 1)]
    settings = {"scale": SCALE, "patch_size": PATCH, "batch_size": 8, "augment": True}
    parts = [
        batches(PatchCutter(pairs, **settings, rows=rows), steps=4, seed=3)
        for rows in (slice(0, 3), slice(3, 8))
    ]
    whole = batches(PatchCutter(pairs, **settings), steps=4, seed=3)
    for expected, *own in zip(whole, *parts, strict=True):
        for key, value in expected.items():
            np.testing.assert_array_equal(np.concatenate([part[key] for part in own]), value)


def test_augmentation_is_the_eight_symmetries():
    pair = (np.arange(16, dtype=np.uint8).reshape(4, 4, 1),) * 2
    cut = PatchCutter([pair], scale=1, patch_size=4, batch_size=400, augment=True)
    seen = {patch.tobytes() for patch in cut(0, np.random.default_rng(0))["lr"]}
    square = pair[0]
    expected = {
        np.rot90(image, k).tobytes() for image in (square, square[:, ::-1]) for k in range(4)
    }
    assert seen == expected


def test_an_iterator_resumes_where_it_was_and_follows_the_seed():
    pairs = [coded_pair(20, 20, 0)]
    first = batches(cutter(pairs), steps=8, seed=1)
    for _ in range(3):
        next(first)
    place = first.get_state()
    rest = [batch["lr"] for batch in first]
    assert len(rest) == 5
    again = batches(cutter(pairs), steps=8, seed=1)
    again.set_state(place)
    for expected, batch in zip(rest, again, strict=True):
        np.testing.assert_array_equal(batch["lr"], expected)
    other = next(batches(cutter(pairs), steps=8, seed=2))["lr"]
    same = next(batches(cutter(pairs), steps=8, seed=1))["lr"]
    assert (other != same).any()
