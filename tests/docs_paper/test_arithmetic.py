"""The arithmetic of docs/paper in Node gives the numbers of the library."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import subpixel
from subpixel import kernels
from subpixel.ops.conv import insert_zeros

MODULE = Path(__file__).parents[2] / "docs/paper/upsampling.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")

# A signal has one row, so one number along the first axis; the rest is not square on purpose.
GEOMETRIES = [
    *(((1, r), (1, k), (1, 5)) for r, k in itertools.product((2, 3, 4), (1, 2, 3, 4))),
    *(((r, r), (k, k), (4, 3)) for r, k in itertools.product((2, 3, 4), (1, 2, 3, 4))),
    ((2, 3), (3, 2), (3, 4)),
    ((4, 2), (1, 4), (2, 2)),
]
PROGRAM = """
const { upsampling, cases } = { upsampling: require(process.argv[1]),
  cases: JSON.parse(require("fs").readFileSync(0, "utf8")) };
console.log(JSON.stringify(cases.map(({ image, kernel, scales }) => {
  const phases = upsampling.splitPhases(kernel, scales);
  const y = upsampling.zeroInsert(image, kernel, scales);
  return {
    phases,
    merged: upsampling.mergePhases(phases, scales),
    inserted: upsampling.insertZeros(image, scales),
    padding: upsampling.paddingBefore(kernel, scales),
    zero_insert: y,
    conv_transpose: upsampling.convTranspose(image, kernel, scales),
    subpixel: upsampling.subpixel(image, phases, scales),
    products: y.map((row, v) =>
      row.map((_, u) => upsampling.products(image, kernel, scales, [v, u]))),
    counts: upsampling.productCounts([image.length, image[0].length], kernel, scales),
  };
})));
"""


def in_node(program: str, cases: Any) -> Any:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", program, str(MODULE)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def results() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each case, and what Node computes of it."""
    random = np.random.default_rng(0)
    cases = [
        {  # Whole numbers: float32 sums of them are exact.
            "image": random.integers(-9, 10, size).tolist(),
            "kernel": random.integers(-9, 10, np.multiply(taps, scales)).tolist(),
            "scales": scales,
        }
        for scales, taps, size in GEOMETRIES
    ]
    return list(zip(cases, in_node(PROGRAM, cases), strict=True))


@pytest.mark.parametrize("index", range(len(GEOMETRIES)), ids=map(str, GEOMETRIES))
def test_numbers_are_those_of_the_library(results: list, index: int):
    case, result = results[index]
    scales = tuple(case["scales"])
    x = jnp.asarray(case["image"], jnp.float32)[None, ..., None]
    kernel = jnp.asarray(case["kernel"], jnp.float32)[..., None, None]
    small = kernels.convert(kernel, scales, "zero_insert", "subpixel")
    padding = kernels.same_padding(kernel.shape[:2], scales)
    expected = {
        "zero_insert": subpixel.zero_insert_conv(x, kernel, scales),
        "conv_transpose": subpixel.conv_transpose(x, kernel, scales, padding),
        "subpixel": subpixel.subpixel_conv(x, small, scales),
        "inserted": insert_zeros(x, scales),
    }
    for name, y in expected.items():
        np.testing.assert_array_equal(result[name], y[0, ..., 0], err_msg=name)
    np.testing.assert_array_equal(np.moveaxis(result["phases"], 0, -1), small[:, :, 0])
    assert result["merged"] == case["kernel"]
    assert result["padding"] == [low for low, _ in padding]


def test_products_add_up_to_the_pixel_and_are_counted(results: list):
    for case, result in results:
        kernel, scales = np.array(case["kernel"]), case["scales"]
        useful = kernel.size // np.prod(scales)
        for row, products in zip(result["zero_insert"], result["products"], strict=True):
            for y, terms in zip(row, products, strict=True):
                assert sum(term["weight"] * term["value"] for term in terms) == y
                assert len(terms) == kernel.size
                assert sum(term["pixel"] is not None for term in terms) == useful
                assert all(term["value"] == 0 for term in terms if term["pixel"] is None)
        inputs, outputs = np.size(case["image"]), np.size(result["zero_insert"])
        assert result["counts"] == {
            "zero_insert": outputs * kernel.size,
            "conv_transpose": inputs * kernel.size,
            "subpixel": outputs * useful,
        }


def test_a_kernel_that_is_no_multiple_of_the_scale_is_refused():
    program = """
    const upsampling = require(process.argv[1]);
    try { upsampling.splitPhases([[1, 2, 3]], [1, 2]); } catch (error) {
      console.log(JSON.stringify([error.name, error.message]));
    }"""
    assert in_node(program, None) == [
        "RangeError",
        "a kernel of 1,3 taps is no multiple of the scale 1,2",
    ]
