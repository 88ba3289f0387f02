"""The typed result of a comparison: comparison.json of every version, written and read."""

import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.comparison.compare import compare, cost_table, measure_conversion
from subpixel.sr.comparison.result import (
    Comparison,
    Conversion,
    Cost,
    ModelScores,
    psnr_spread,
    read_comparison,
)
from subpixel.sr.comparison.seeds import seeds_table, summarise_seeds
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.models import ESPCNConfig
from subpixel.sr.serialization import from_json

FILES = sorted((Path(__file__).parents[3] / "results").glob("*/comparison.json"))
PROTOCOL = Protocol(2)


def scores(*psnr: float) -> Scores:
    values = {f"image{number}": value for number, value in enumerate(psnr)}
    return Scores(PROTOCOL, values, {name: value / 100 for name, value in values.items()})


def compared(*psnr: float) -> Comparison:
    of_set = {"bicubic": scores(30.0, 32.0), "subpixel": scores(*psnr)}
    of_set["conv_transpose"] = scores(*(value + 0.5 for value in psnr))
    cost = Cost(compile_s=1.5, train_step_ms=2.0, quartiles={"train_step_ms": (1.0, 3.0)})
    costs = {"subpixel": cost, "conv_transpose": Cost(train_step_ms=5.0)}
    conversions = {"subpixel": Conversion("Set5", 2e-6, 3e-7)}
    return compare("run", PROTOCOL, {"Set5": of_set}, costs, {"seed": 1}, "", conversions)


def test_released_comparisons_are_read_and_written_to_the_byte(tmp_path):
    assert len(FILES) >= 4
    for path in FILES:
        comparison = read_comparison(path)
        upsampler = comparison.upsamplers["subpixel"]
        mean = statistics.fmean(image.psnr for image in upsampler.images["Set5"].values())
        assert upsampler.psnr["Set5"] == pytest.approx(mean, abs=1e-9)
        assert upsampler.gflop_useful <= upsampler.gflop_executed
        write_json(tmp_path / "comparison.json", comparison.to_json())
        assert (tmp_path / "comparison.json").read_text() == path.read_text()


def test_scores_costs_and_conversions_are_joined(tmp_path):
    comparison = compared(34.0, 36.0)
    assert (comparison.scale, comparison.bicubic.psnr) == (2, {"Set5": 31.0})
    assert comparison.upsamplers["subpixel"].psnr == {"Set5": 35.0}
    assert comparison.upsamplers["subpixel"].images["Set5"]["image1"].ssim == 0.36
    assert comparison.psnr_spread_db == {"Set5": 0.5}
    entries = comparison.to_json()["upsamplers"]
    assert list(entries["conv_transpose"]) == [
        "psnr", "ssim", "images", "compile_s", "gflop_useful", "gflop_executed", "temp_mib",
        "parameters", "quartiles", "forward_ms", "gradient_ms", "train_step_ms",
    ]  # fmt: skip
    expected = {"benchmark": "Set5", "psnr_db": 2e-6, "pixels": 3e-7}
    assert entries["subpixel"]["conversion"] == expected
    write_json(tmp_path / "comparison.json", comparison.to_json())
    assert read_comparison(tmp_path / "comparison.json") == comparison


def test_what_is_not_finite_is_null_in_the_file(tmp_path):
    path = tmp_path / "comparison.json"
    write_json(path, compared(math.inf, 36.0).to_json())
    json.loads(path.read_text(), parse_constant=pytest.fail)
    read = read_comparison(path)
    assert read.upsamplers["subpixel"].psnr == {"Set5": None}
    assert read.upsamplers["subpixel"].images["Set5"]["image1"].psnr == 36.0
    # Both upsamplers give the original images.
    assert read.psnr_spread_db == {"Set5": 0.0}
    first = ModelScores({"x": 1.0, "y": 2.0, "z": 3.0})
    other = ModelScores({"x": 1.25, "y": None, "z": math.inf})
    assert psnr_spread({"a": first, "b": other}) == {"x": 0.25, "y": None, "z": math.inf}


NUMBER = "must be a finite number or none; got"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "it must be a JSON object"),
        ({"scale": "3"}, "scale must be a whole number or none; got '3'"),
        (
            {"upsamplers": {"a": {"psnr": {"Set5": "high"}}}},
            f"a.psnr.Set5 {NUMBER} 'high'",
        ),
        (
            {"upsamplers": {"a": {"forward_ms": True}}},
            f"a.forward_ms {NUMBER} True",
        ),
        ({"upsamplers": {"a": {"quartiles": {"x": [1]}}}}, "a.quartiles.x must be a tuple of 2: "),
        ({"bicubic": {"images": {"Set5": {"a": 1}}}}, "images.Set5.a must be a JSON object"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(values, message):
    with pytest.raises(
        InputError, match=f"here.json does not fit this version: .*{message}"
    ) as error:
        from_json(values, Comparison, "here.json")
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "comparison.json"
    with pytest.raises(InputError, match=r"comparison\.json cannot be read: .*No such file"):
        read_comparison(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"comparison\.json cannot be read: Expecting"):
        read_comparison(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_converted_to_the_other_layouts_computes_the_same(channels):
    config = ESPCNConfig(scale=2, channels=channels, features=(4, 3))
    images = find_pairs("embedded:test", None)[:1]
    graph, params = nnx.split(config.build("conv_transpose", 0))
    network = NetworkUpscaler(graph, nnx.to_pure_dict(params))
    own = evaluate({"own": network}, images, PROTOCOL)["own"]
    found = measure_conversion(network, "conv_transpose", own, "b", images, PROTOCOL)
    assert found.benchmark == "b"
    assert 0 <= found.psnr_db < 1e-4
    assert 0 <= found.pixels < 1e-5
    # Scores that are not those of the network differ, and so do the pixels of another network.
    (name,) = own.psnr
    own.psnr[name] += 0.25
    changed = measure_conversion(network, "conv_transpose", own, "b", images, PROTOCOL)
    assert changed.psnr_db == pytest.approx(0.25, abs=1e-4)
    params = nnx.to_pure_dict(params)
    params["upsampler"]["kernel"] = np.flip(params["upsampler"]["kernel"], 0)
    vars(network)["network"] = nnx.merge(graph, params)  # what is converted
    other = measure_conversion(network, "conv_transpose", own, "b", images, PROTOCOL)
    assert other.pixels > 1e-3


def test_statistics_over_seeds():
    known = json.loads(json.dumps(compared(34.0).to_json()))
    known["upsamplers"]["conv_transpose"]["psnr"]["Set5"] = None
    result = summarise_seeds({3: from_json(known, Comparison, "f"), 5: compared(35.0)})
    assert result["seeds"] == [3, 5]
    statistic = result["upsamplers"]["subpixel"]["psnr"]["Set5"]
    expected = {"mean": 34.5, "std": pytest.approx(math.sqrt(0.5)), "values": [34.0, 35.0]}
    assert statistic == expected
    unknown = result["upsamplers"]["conv_transpose"]
    assert unknown["psnr"]["Set5"] == {"mean": None, "std": None, "values": [None, 35.5]}
    assert unknown["ssim"]["Set5"]["values"] == [0.345, 0.355]
    assert list(seeds_table(result).columns[1].cells) == ["34.500 ± 0.707", "?"]


def test_the_table_of_costs_shows_ratios_and_leaves_unknown_numbers_out():
    table = cost_table(compared(34.0).upsamplers)
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows[0][:5] == ("subpixel", "2.0", "1.0x", "", "")
    assert rows[1][:3] == ("conv_transpose", "5.0", "2.5x")
