"""Which device and type a model gets."""

import pytest
import torch
from macromicro.study.compute import compute_dtype, device, use_bf16

INTEL, AMD = {"cpu_name": "Intel Xeon"}, {"cpu_name": "AMD EPYC"}


def test_a_model_runs_on_the_first_gpu_however_many_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    for n_visible, expected in ((0, "cpu"), (1, "cuda:0"), (8, "cuda:0")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n_visible=n_visible: n_visible)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch.cuda.device_count() > 0)
        assert str(device()) == expected


def test_weights_that_are_only_read_have_the_type_that_is_asked_for() -> None:
    assert compute_dtype(True) == torch.bfloat16
    assert compute_dtype(False) == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes instead")
@pytest.mark.parametrize(
    ("processor", "faster"),
    [
        ({**AMD, "avx512_bf16": True}, True),
        ({**AMD, "avx512_bf16": False}, False),
        ({**INTEL, "avx512_bf16": True, "amx_bf16": False}, False),
        ({**INTEL, "avx512_bf16": True, "amx_bf16": True}, True),
        ({"arm_bf16": True}, True),
        ({}, False),
    ],
)
def test_bfloat16_is_computed_in_where_it_is_the_faster_way(monkeypatch, processor, faster):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    assert use_bf16() is faster
    assert compute_dtype("auto") is (torch.bfloat16 if faster else torch.float32)
    assert use_bf16(True) is True and use_bf16(False) is False
