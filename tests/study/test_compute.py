"""Which device and type a model gets."""

import pytest
import torch
from macromicro.study.compute import compute_dtype, device


def test_a_model_runs_on_the_first_gpu_however_many_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    for n_visible, expected in ((0, "cpu"), (1, "cuda:0"), (8, "cuda:0")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n_visible=n_visible: n_visible)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch.cuda.device_count() > 0)
        assert str(device()) == expected


def test_weights_that_are_only_read_have_the_type_that_is_asked_for() -> None:
    assert compute_dtype(True) == torch.bfloat16
    assert compute_dtype(False) == torch.float32
