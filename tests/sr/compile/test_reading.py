"""The reader of compiled programs, on texts as XLA prints them, without any compiler.

The texts are cut down from programs for an H100 and a TPU v5e by jaxlib 0.10.2.
"""

import pytest

from subpixel.sr.compile import hlo, reading

# One transposed convolution, x (16, 32, 32, 32) with a kernel of 9x9 and stride 3: 42,467,328
# products. The output, the gradient of the input, that of the kernel.
CUSTOM_CALLS = """HloModule jit_f, is_scheduled=true, entry_computation_layout={()->f32[]}

ENTRY %main.3 (x.1: f32[16,32,32,32], w.1: f32[32,9,9,1], g.1: f32[16,96,96,1]) -> f32[] {
  %x.1 = f32[16,32,32,32]{3,2,1,0} parameter(0), metadata={op_name="x"}
  %w.1 = f32[32,9,9,1]{3,2,1,0} parameter(1)
  %g.1 = f32[16,96,96,1]{3,2,1,0} parameter(2)
  %bw-input = (f32[16,96,96,1]{3,2,1,0}, u8[0]{0}) custom-call(%x.1, %w.1), window={size=9x9 stride=3x3 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardInput"
  %conv = (f32[16,32,32,32]{3,2,1,0}, u8[0]{0}) custom-call(%g.1, %w.1), window={size=9x9 stride=3x3 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %bias = (f32[16,32,32,32]{3,2,1,0}, u8[0]{0}) custom-call(%g.1, %w.1), window={size=9x9 stride=3x3 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBiasActivationForward"
  ROOT %bw-filter = (f32[32,9,9,1]{3,2,1,0}, u8[0]{0}) custom-call(%g.1, %x.1), window={size=9x9 stride=3x3 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardFilter"
}
"""  # noqa: E501

FUSIONS = """HloModule jit_f, is_scheduled=true

%dgrad (x: f32[16,32,32,32], w: f32[32,9,9,1]) -> f32[16,96,96,1] {
  %x = f32[16,32,32,32]{3,2,1,0} parameter(0)
  %w = f32[32,9,9,1]{3,2,1,0} parameter(1)
  ROOT %c = f32[16,96,96,1]{3,2,1,0} convolution(%x, %w), window={size=9x9 pad=5_5x5_5 lhs_dilate=3x3}, dim_labels=b01f_i01o->b01f, convolution_kind=dgrad
}

%fprop (g: f32[16,96,96,1], w: f32[32,9,9,1]) -> f32[16,32,32,32] {
  %g = f32[16,96,96,1]{3,2,1,0} parameter(0)
  %w = f32[32,9,9,1]{3,2,1,0} parameter(1)
  ROOT %c = f32[16,32,32,32]{3,2,1,0} convolution(%g, %w), window={size=9x9 stride=3x3 pad=3_3x3_3}, dim_labels=b01f_o01i->b01f, convolution_kind=fprop
}

%wgrad (g: f32[16,96,96,1], x: f32[16,32,32,32]) -> f32[32,9,9,1] {
  %g = f32[16,96,96,1]{3,2,1,0} parameter(0)
  %x = f32[16,32,32,32]{3,2,1,0} parameter(1)
  ROOT %c = f32[32,9,9,1]{3,2,1,0} convolution(%g, %x), window={size=32x32 pad=3_3x3_3 rhs_dilate=3x3}, dim_labels=f01b_i01o->f01b, convolution_kind=wgrad
}

ENTRY %main (x: f32[16,32,32,32], w: f32[32,9,9,1], g: f32[16,96,96,1]) -> f32[32,9,9,1] {
  %x = f32[16,32,32,32]{3,2,1,0} parameter(0)
  %w = f32[32,9,9,1]{3,2,1,0} parameter(1)
  %g = f32[16,96,96,1]{3,2,1,0} parameter(2)
  %a = f32[16,96,96,1]{3,2,1,0} fusion(%x, %w), kind=kCustom, calls=%dgrad
  %b = f32[16,32,32,32]{3,2,1,0} fusion(%g, %w), kind=kCustom, calls=%fprop
  ROOT %c = f32[32,9,9,1]{3,2,1,0} fusion(%g, %x), kind=kCustom, calls=%wgrad
}
"""  # noqa: E501

ZEROS = """HloModule jit_f

%fused_pad (p: f32[4,8,8,2]) -> f32[4,19,19,2] {
  %p = f32[4,8,8,2]{3,2,1,0} parameter(0)
  %zero = f32[] constant(0)
  ROOT %pad = f32[4,19,19,2]{3,2,1,0} pad(%p, %zero), padding=0_0x2_2_1x2_2_1x0_0
}

ENTRY %main (x: f32[4,8,8,2]) -> f32[4,19,19,2] {
  %x = f32[4,8,8,2]{3,2,1,0} parameter(0)
  %zero = f32[] constant(0)
  %border = f32[4,10,10,2]{3,2,1,0} pad(%x, %zero), padding=0_0x1_1x1_1x0_0
  %crop = f32[4,6,6,2]{3,2,1,0} pad(%x, %zero), padding=0_0x-1_-1x-1_-1x0_0
  ROOT %loop = f32[4,19,19,2]{3,2,1,0} fusion(%x), kind=kLoop, calls=%fused_pad
}
"""

TPU = """HloModule jit_f

%conv (a: f32[16,32,32,2], w: f32[3,3,2,2]) -> f32[16,32,32,2] {
  %a = f32[16,32,32,2]{3,0,2,1:T(8,128)} parameter(0)
  %w = f32[3,3,2,2]{2,3,1,0:T(1,128)S(1)} parameter(1)
  ROOT %c = f32[16,32,32,2]{3,0,2,1:T(8,128)} convolution(%a, %w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}

%product (a: f32[16,8], w: f32[8,4]) -> f32[16,4] {
  %a = f32[16,8]{1,0:T(8,128)} parameter(0)
  %w = f32[8,4]{1,0:T(8,128)} parameter(1)
  ROOT %c = f32[16,4]{1,0:T(8,128)} convolution(%a, %w), dim_labels=bf_io->bf
}

%move (a: f32[16,32,32,2]) -> f32[16,32,32,2] {
  %a = f32[16,32,32,2]{3,0,2,1:T(8,128)} parameter(0)
  ROOT %r = f32[16,32,32,2]{3,0,2,1:T(8,128)} reverse(%a), dimensions={1,2}
}

%body (s: (s32[], f32[16,8])) -> (s32[], f32[16,8]) {
  %s = (s32[]{:T(128)}, f32[16,8]{1,0:T(8,128)}) parameter(0)
  ROOT %t = (s32[]{:T(128)}, f32[16,8]{1,0:T(8,128)}) tanh(%s), backend_config={"window_config":{"estimated_cycles":"7"}}
}

ENTRY %main (x: f32[16,32,32,2], w: f32[3,3,2,2], m: f32[16,8], v: f32[8,4]) -> f32[16,4] {
  %x = f32[16,32,32,2]{3,2,1,0:T(8,128)} parameter(0)
  %w = f32[3,3,2,2]{2,3,1,0:T(1,128)S(1)} parameter(1)
  %m = f32[16,8]{1,0:T(8,128)} parameter(2)
  %v = f32[8,4]{1,0:T(8,128)} parameter(3)
  %start = ((f32[16,32,32,2]{3,2,1,0:T(8,128)}), f32[4,32,32,2]{3,2,1,0:T(8,128)S(1)}, s32[]{:S(2)}) slice-start(%x), slice={[0:4], [0:32]}
  %a = f32[16,32,32,2]{3,0,2,1:T(8,128)} fusion(%x, %w), kind=kOutput, calls=%conv, backend_config={"window_config":{"estimated_cycles":"1000"}}
  %b = f32[16,32,32,2]{3,0,2,1:T(8,128)} fusion(%a), kind=kLoop, calls=%move, backend_config={"window_config":{"estimated_cycles":"300"}}
  %c = f32[16,32,32,2]{3,2,1,0:T(8,128)} copy(%b), backend_config={"window_config":{"estimated_cycles":"20"}}
  %l = (s32[]{:T(128)}, f32[16,8]{1,0:T(8,128)}) while(%m), condition=%condition, body=%body, backend_config={"known_trip_count":{"n":"10"}}
  %r = (f32[16,8]{1,0:T(8,128)}, bf16[8]{0:T(256)}) all-reduce(%m, %v), replica_groups=[1,16]<=[16], to_apply=%sum, backend_config={"estimated_cycles":"50"}
  ROOT %d = f32[16,4]{1,0:T(8,128)} fusion(%m, %v), kind=kOutput, calls=%product, backend_config={"window_config":{"estimated_cycles":"4"}}
}
"""  # noqa: E501

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
    text = """HloModule jit_f

%gemm (a: f32[5,16,8], b: f32[5,8,4]) -> f32[5,16,4] {
  %a = f32[5,16,8]{2,1,0} parameter(0)
  %b = f32[5,8,4]{2,1,0} parameter(1)
  ROOT %d = f32[5,16,4]{2,1,0} dot(%a, %b), lhs_batch_dims={0}, lhs_contracting_dims={2}, rhs_batch_dims={0}, rhs_contracting_dims={1}
}

ENTRY %main (a: f32[5,16,8], b: f32[5,8,4], c: f32[8,16], d: f32[8,8]) -> f32[5,16,4] {
  %a = f32[5,16,8]{2,1,0} parameter(0)
  %b = f32[5,8,4]{2,1,0} parameter(1)
  %c = f32[8,16]{1,0} parameter(2)
  %d = f32[8,8]{1,0} parameter(3)
  %t = f32[5,16,4]{2,1,0} fusion(%a, %b), kind=kCustom, calls=%gemm, backend_config={"fusion_backend_config":{"kind":"__triton_gemm"}}
  %g = (f32[16,8]{1,0}, s8[4194304]{0}) custom-call(%c, %d), custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["0"],"rhs_contracting_dimensions":["0"]}}}
  %mark = f32[8,8]{1,0} custom-call(%d), custom_call_target="Sharding"
  ROOT %q = (f32[8,8]{1,0}, f32[8]{0}) custom-call(%d), custom_call_target="cusolver_geqrf_ffi"
}
"""  # noqa: E501
    calls = reading.library_calls(hlo.parse(text))
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
