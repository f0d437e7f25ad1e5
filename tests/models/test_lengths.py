"""Tokens of texts before the base model is there."""

import pandas as pd
from macromicro.corpus.glance import Glance
from macromicro.models.lengths import bound_lengths, measure_lengths
from macromicro.study import params
from tiny_models import make_samples


def seen(samples, prompts):
    return Glance(samples, prompts, 900, 20, {}, "all", True)


def test_without_a_tokenizer_four_characters_are_a_token(tmp_path):
    table = pd.DataFrame({"id": ["a", "b"], "instruction": ["12345", "1234"], "response": ["123456789", ""]})
    study = params.load("smoke", changes={"base_model.source": str(tmp_path / "none")})
    study = study.model_copy(update={"study": "nowhere"})
    lengths = measure_lengths(study, seen(table, table))
    assert lengths.counted_by == "characters / 4, for want of a tokenizer"
    assert lengths.samples.tolist() == [2 + 3, 1]
    assert (lengths.prompts.tolist(), lengths.references.tolist()) == ([2, 1], [3, 0])
    assert (lengths.n_samples, lengths.n_prompts) == (900, 20)


def test_a_tiny_llama_that_is_not_trained_yet_gets_a_tokenizer_of_its_size():
    study = params.load("smoke", changes={"base_model.vocab_size": 400}).model_copy(update={"study": "nowhere"})
    samples = make_samples(50, seed=3)
    lengths = measure_lengths(study, seen(samples, samples.head(5)))
    assert "learnt from these texts" in lengths.counted_by
    characters = (samples["instruction"] + samples["response"]).str.len().mean()
    assert characters / 8 < lengths.sample < characters / 2
    assert lengths.sample > lengths.prompt + 1
    assert len(lengths.references) == 5


def test_a_corpus_that_cannot_be_read_is_bound_by_the_settings():
    study = params.load("paper")
    lengths = bound_lengths(study)
    assert (lengths.sample, lengths.n_samples, lengths.n_prompts) == (2048, 117_000, 1305)
