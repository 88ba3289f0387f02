"""The typed result of a comparison: comparison.json of every version, written and read."""

import json
import math
import statistics
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.comparison.compare import compare
from subpixel.sr.comparison.result import (
    Comparison,
    Cost,
    ModelScores,
    psnr_spread,
    read_comparison,
    write_comparison,
)
from subpixel.sr.comparison.seeds import seeds_table, summarise_seeds
from subpixel.sr.comparison.tables import cost_table
from subpixel.sr.evaluation import Protocol, Scores

FILES = sorted((Path(__file__).parents[3] / "results").glob("*/comparison.json"))
PROTOCOL = Protocol(2)


def scores(*psnr: float) -> Scores:
    names = [f"image{number}" for number in range(len(psnr))]
    values = dict(zip(names, psnr, strict=True))
    return Scores(PROTOCOL, values, {name: value / 100 for name, value in values.items()})


def compared(*psnr: float) -> Comparison:
    of_set = {"bicubic": scores(30.0, 32.0), "subpixel": scores(*psnr)}
    of_set["conv_transpose"] = scores(*(value + 0.5 for value in psnr))
    cost = Cost(compile_s=1.5, train_step_ms=2.0, quartiles={"train_step_ms": (1.0, 3.0)})
    costs = {"subpixel": cost, "conv_transpose": Cost(train_step_ms=5.0)}
    return compare("run", PROTOCOL, {"Set5": of_set}, costs, {"seed": 1})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_released_comparisons_are_read_and_written_to_the_byte(path, tmp_path):
    comparison = read_comparison(path)
    upsampler = comparison.upsamplers["subpixel"]
    images = upsampler.scores.images["Set5"]
    mean = statistics.fmean(image.psnr for image in images.values())
    assert upsampler.scores.psnr["Set5"] == pytest.approx(mean, abs=1e-9)
    assert upsampler.cost.gflop_useful <= upsampler.cost.gflop_executed
    write_comparison(tmp_path / "comparison.json", comparison)
    assert (tmp_path / "comparison.json").read_text() == path.read_text()


def test_there_are_released_comparisons():
    assert len(FILES) >= 4


def test_scores_and_costs_are_joined():
    comparison = compared(34.0, 36.0)
    assert comparison.scale == 2
    assert comparison.bicubic.psnr == {"Set5": 31.0}
    assert comparison.upsamplers["subpixel"].scores.psnr == {"Set5": 35.0}
    assert comparison.upsamplers["subpixel"].scores.images["Set5"]["image1"].ssim == 0.36
    assert comparison.psnr_spread_db == {"Set5": 0.5}
    entry = comparison.to_json()["upsamplers"]["subpixel"]
    assert list(entry) == [
        "psnr", "ssim", "images", "compile_s", "gflop_useful", "gflop_executed", "temp_mib",
        "parameters", "quartiles", "forward_ms", "gradient_ms", "train_step_ms",
    ]  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        comparison.scale = 3


def test_what_is_not_finite_is_null_in_the_file(tmp_path):
    path = tmp_path / "comparison.json"
    write_comparison(path, compared(math.inf, 36.0))
    text = path.read_text()
    assert "Infinity" not in text
    assert "NaN" not in text
    read = read_comparison(path)
    assert read.upsamplers["subpixel"].scores.psnr == {"Set5": None}
    assert read.upsamplers["subpixel"].scores.images["Set5"]["image1"].psnr == 36.0
    assert read.psnr_spread_db == {"Set5": None}


def test_a_spread_needs_every_upsampler():
    spreads = psnr_spread(
        {"a": ModelScores({"x": 1.0, "y": 2.0}), "b": ModelScores({"x": 1.25, "y": None})}
    )
    assert spreads == {"x": 0.25, "y": None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"the file must be of the kind dict; got \[\]"),
        ({"scale": "3"}, "scale must be of the kind int; got '3'"),
        ({"upsamplers": {"a": {"psnr": {"Set5": "high"}}}}, "a.psnr.Set5 must be a number"),
        ({"upsamplers": {"a": {"forward_ms": True}}}, "a.forward_ms must be a number; got True"),
        ({"upsamplers": {"a": {"quartiles": {"x": [1]}}}}, "a.quartiles.x must be two numbers"),
        ({"bicubic": {"images": {"Set5": [1]}}}, "bicubic.images.Set5 must be of the kind dict"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(values, message):
    with pytest.raises(InputError, match=f"here.json is no comparison: {message}"):
        Comparison.from_json(values, "here.json")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "comparison.json"
    with pytest.raises(InputError, match=r"comparison\.json cannot be read: FileNotFoundError"):
        read_comparison(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"comparison\.json cannot be read: JSONDecodeError"):
        read_comparison(path)


def test_statistics_over_seeds(capsys):
    result = summarise_seeds({3: compared(34.0), 5: compared(35.0)})
    statistic = result.upsamplers["subpixel"].psnr["Set5"]
    assert statistic.values == (34.0, 35.0)
    assert (statistic.mean, statistic.std) == (34.5, pytest.approx(math.sqrt(0.5)))
    stored = json.loads(json.dumps(result.to_json()))
    assert stored["seeds"] == [3, 5]
    assert stored["upsamplers"]["conv_transpose"]["ssim"]["Set5"]["values"] == [0.345, 0.355]
    table = seeds_table(result)
    assert list(table.columns[1].cells) == ["34.500 ± 0.707", "35.000 ± 0.707"]


def test_statistics_with_a_score_that_is_not_known():
    known = compared(34.0)
    values = json.loads(json.dumps(known.to_json()))
    values["upsamplers"]["subpixel"]["psnr"]["Set5"] = None
    result = summarise_seeds({1: known, 2: Comparison.from_json(values, "f")})
    statistic = result.upsamplers["subpixel"].psnr["Set5"]
    assert (statistic.mean, statistic.std, statistic.values) == (None, None, (34.0, None))
    assert next(iter(seeds_table(result).columns[1].cells)) == "?"


def test_the_table_of_costs_shows_ratios_and_leaves_unknown_numbers_out():
    costs = {name: result.cost for name, result in compared(34.0).upsamplers.items()}
    table = cost_table(costs)
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows[0][:5] == ("subpixel", "2.0", "1.0x", "", "")
    assert rows[1][:3] == ("conv_transpose", "5.0", "2.5x")
