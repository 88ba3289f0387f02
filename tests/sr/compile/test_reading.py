"""The reader of compiled programs, on texts as XLA prints them, without any compiler.

The files in `programs` are cut down from programs for an H100 and a TPU v5e by jaxlib 0.10.2.
"""

from pathlib import Path

import pytest

from subpixel.sr.compile import hlo, reading

CUSTOM_CALLS, FUSIONS, MATRIX_PRODUCTS, ZEROS, TPU = (
    (Path(__file__).parent / f"programs/{name}.hlo").read_text()
    for name in ("custom_calls", "fusions", "products", "zeros", "tpu")
)
# One transposed convolution, x (16, 32, 32, 32) with a kernel of 9x9 and stride 3: 42,467,328
# products. The output, the gradient of the input, that of the kernel.
PRODUCTS = 16 * 32 * 32 * 32 * 9 * 9


@pytest.mark.parametrize("text", [CUSTOM_CALLS, FUSIONS], ids=["custom calls", "fusions"])
def test_convolutions_of_both_forms_have_their_kind_and_work(text):
    calls = reading.library_calls(hlo.parse(text))
    assert {call.multiply_adds for call in calls} == {PRODUCTS}
    counts = reading.count_kinds(calls)
    assert counts.pop("convForward") == (2 if text is CUSTOM_CALLS else 1)
    assert counts == {"convBackwardInput": 1, "convBackwardFilter": 1}


def test_a_convolution_that_no_library_computes_is_named_so():
    text = FUSIONS.replace(", convolution_kind=fprop", "")
    assert reading.count_kinds(reading.library_calls(hlo.parse(text)))["convolution"] == 1


def test_matrix_products_and_other_libraries():
    calls = reading.library_calls(hlo.parse(MATRIX_PRODUCTS))
    assert [(call.kind, call.multiply_adds) for call in calls] == [
        ("gemm", 5 * 16 * 8 * 4),
        ("gemm", 16 * 8 * 8),
        ("cusolver_geqrf_ffi", 0),
    ]


def test_only_pads_between_elements_insert_zeros():
    assert [shape.sizes for shape in reading.zero_insertions(hlo.parse(ZEROS))] == [(4, 19, 19, 2)]
    assert reading.zero_insertions(hlo.parse(CUSTOM_CALLS)) == []


def test_cycles_by_purpose_and_loops_by_their_trips():
    assert reading.estimated_cycles(hlo.parse(TPU)) == {
        "convolution": 1000,
        "copy": 320,
        "elementwise or sum": 70,
        "collective": 50,
        "matrix product": 4,
    }


def test_collectives_have_the_bytes_of_their_results():
    expected = {"all-reduce": (1, 4 * 16 * 8 + 2 * 8)}
    assert reading.collectives(hlo.parse(TPU)) == expected
    asynchronous = TPU.replace("all-reduce(", "all-reduce-start(")
    assert reading.collectives(hlo.parse(asynchronous)) == expected


def test_branches_are_part_of_the_program():
    text = ZEROS.replace(
        "kind=kLoop, calls=%fused_pad", "branch_computations={%fused_pad, %fused_pad}"
    ).replace("fusion(%x)", "conditional(%x)")
    pads = [one.opcode for one, _, _ in hlo.parse(text).executed].count("pad")
    assert pads == 4
