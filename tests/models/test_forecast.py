"""Seconds of cells by hand."""

import numpy as np
import pytest
from macromicro.models.forecast import batch_prompts, forecast, sum_by_stage
from macromicro.models.lengths import Lengths
from macromicro.models.speed import Speed
from macromicro.study import params

SPEED = Speed(training=100.0, reading=1000.0, step=0.5, loading=2.0, start=5.0, pretraining=1000.0)
LENGTHS = Lengths(np.array([50, 70]), np.array([10, 30]), np.array([40]), 8000, 200, "hand")


def test_smoke_by_hand():
    study = params.load("smoke")
    assert batch_prompts(study, LENGTHS) == 8192 // (20 + 48)
    seconds = forecast(study, LENGTHS, SPEED, texts_per_second=100.0)
    assert seconds["5_finetune/response-micro/s0"] == pytest.approx(5 + 7 * (500 * 60 / 100 + 2 * 2))
    per_model = 2 * 48 * 0.5 + 200 * (20 + 20 + 40) / 1000
    assert seconds["6_answer/response-micro/s0"] == pytest.approx(5 + 7 * (per_model + 2))
    assert seconds["6_answer/untuned"] == pytest.approx(5 + per_model + 2)
    assert seconds["0_base_model/0_base_model"] == pytest.approx(5 + 1.1 * 560 + 4)
    assert seconds["7_judge/response-micro/s0"] == pytest.approx(5 + 2 + 9 * 200 / 100)
    embedded = [name for name, took in seconds.items() if name.startswith("3_annotate") and took > 80]
    assert embedded == ["3_annotate/instruction-macro", "3_annotate/response-macro"]
    by_stage = sum_by_stage(seconds)
    assert sum(by_stage.values()) == pytest.approx(sum(seconds.values()))
    assert by_stage["6_answer"] == pytest.approx(8 * 5 + 44 * (per_model + 2))


def test_an_adapter_is_trained_on_a_base_that_is_loaded_and_answers_share_one():
    changes = {"finetune.method": "lora", "finetune.n_epochs": 2, "judge.kinds": ["similarity"]}
    seconds = forecast(params.load("smoke", changes=changes), LENGTHS, SPEED, texts_per_second=100.0)
    assert seconds["5_finetune/response-micro/s0"] == pytest.approx(5 + 7 * (2 * 500 * 60 / 100 + 2))
    assert seconds["6_answer/response-micro/s0"] == pytest.approx(5 + 7 * (48 + 200 * 20 / 1000) + 2)
