"""The speed that is measured, held against training that is timed."""

import time
from dataclasses import replace

import pandas as pd
import pytest
from macromicro.models.architecture import find_architecture
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.models.finetune import train
from macromicro.models.measurement import Asked, measure_speed
from macromicro.study.sections import AnswerParams, BaseModelParams, FinetuneParams
from tiny_models import FINETUNING, MODEL, make_samples, tiny_base


@pytest.fixture(scope="module")
def asked():
    base = BaseModelParams(**MODEL, batch_tokens=512)
    shape, _ = find_architecture(base)
    finetune, answer = FinetuneParams(**FINETUNING), AnswerParams(max_new_tokens=8)
    return Asked(shape, finetune, answer, base, sample_tokens=30, prompt_tokens=10, batch_prompts=16)


def test_training_is_as_fast_as_measured(asked, tmp_path):
    speed = measure_speed(asked, n_at_once=1)
    samples = pd.concat([make_samples(400, seed=seed) for seed in (1, 2)])
    n_tokens = encode_samples(samples, load_tokenizer(tiny_base())).lengths.sum()
    trained = train(samples, base=tiny_base(), path=tmp_path / "model", seed=0, **FINETUNING)
    assert 1 / 3 < n_tokens / trained.seconds / speed.training < 3
    assert 0 < speed.step < 0.5
    assert speed.reading > speed.training
    assert speed.start > 3
    assert 0 < speed.loading < 5
    assert speed.pretraining > 0


def test_an_adapter_and_no_model_of_our_own(asked):
    lora = replace(asked, base_model=None, finetune=FinetuneParams(**{**FINETUNING, "method": "lora"}))
    began = time.time()
    speed = measure_speed(lora, n_at_once=2)
    assert time.time() - began < 120
    assert speed.pretraining == 0
    assert speed.training > 0
