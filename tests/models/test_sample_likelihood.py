"""How likely a model finds responses: formula, what is read, and what is kept."""

import numpy as np
import pandas as pd
import pytest
import torch
from macromicro.models import sample_likelihood
from macromicro.models.basemodel import load_base_model
from macromicro.models.chat import encode_samples
from macromicro.models.sample_likelihood import MAX_CHARACTERS, rate_likelihood

from tests.tiny_models import make_samples, tiny_base


@pytest.fixture(scope="module")
def samples():
    return make_samples(7, seed=2)


def one_by_one(samples, base):
    """Nats per byte of each response, from the whole table of scores of one sample at a time."""
    model, tokenizer = load_base_model(base)
    rates = {}
    for _, sample in samples.iterrows():
        encoded = encode_samples(sample.to_frame().T, tokenizer)
        tokens, start = torch.tensor(encoded.tokens), int(encoded.prompt_lengths[0])
        with torch.inference_mode():
            scores = model(tokens).logits[0].log_softmax(-1)
        total = sum(float(scores[place - 1, tokens[0, place]]) for place in range(start, tokens.shape[1]))
        rates[sample["id"]] = total / len(sample["response"].encode())
    return pd.Series(rates)


def test_rates_are_those_of_each_response_by_itself(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_likelihood, "BLOCK", 3)
    base = str(tiny_base())
    expected = one_by_one(samples, base)
    for cache in (None, tmp_path):
        rates = rate_likelihood(samples, model=base, cache=cache)
        assert rates.index.tolist() == samples["id"].tolist()
        np.testing.assert_allclose(rates, expected.loc[rates.index], rtol=1e-4)
    assert (expected < 0).all()


def test_only_the_beginning_is_read(samples):
    base, long = str(tiny_base()), samples.head(1).assign(response="a b " * (MAX_CHARACTERS // 4))
    longer = long.assign(response=long["response"] + "and this is not read")
    assert rate_likelihood(long, model=base).equals(rate_likelihood(longer, model=base))


def test_what_was_read_stays_done(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_likelihood, "BLOCK", 3)
    base = str(tiny_base())
    first = rate_likelihood(samples, model=base, cache=tmp_path)
    files = sorted(tmp_path.rglob("*.npy"))
    assert len(files) == 3
    np.save(files[0], np.load(files[0]) + 10)
    again = rate_likelihood(samples, model=base, cache=tmp_path)
    assert np.isclose(again - first, 10).sum() == len(np.load(files[0]))
    files[1].unlink()
    changed = samples.assign(response=samples["response"] + "!")
    assert len(rate_likelihood(changed, model=base, cache=tmp_path)) == 7
    assert len(list(tmp_path.rglob("*.npy"))) == 5
    rate_likelihood(samples, model=base, cache=tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 6
