import pytest
import torch
from macromicro.models import reference_likelihood
from macromicro.models.basemodel import load_base_model
from macromicro.models.chat import encode_samples
from macromicro.models.reference_likelihood import reference_log_likelihood
from tiny_models import PROMPTS, LargestScores, tiny_base, varied_prompts
from transformers import Gemma2Config, Gemma2ForCausalLM


@pytest.fixture(scope="module")
def base() -> tuple:
    return load_base_model(tiny_base())


@pytest.mark.parametrize("batch_tokens", [1, 60, 4096])
def test_log_likelihood_against_one_sample_at_a_time(base: tuple, batch_tokens: int) -> None:
    model, tokenizer = base
    prompts = varied_prompts()
    table = reference_log_likelihood(model, tokenizer, prompts.iloc[::-1], batch_tokens=batch_tokens)
    encoded = encode_samples(prompts, tokenizer)
    assert table["prompt_id"].tolist() == encoded.ids == sorted(prompts["id"])
    for row, (tokens, start) in enumerate(zip(encoded.tokens, encoded.prompt_lengths, strict=True)):
        with torch.inference_mode():
            logs = model(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        expected = sum(logs[place - 1, tokens[place]].item() for place in range(start, len(tokens)))
        assert table["log_likelihood"][row] == pytest.approx(expected, rel=1e-5)
        assert tokens[-1] == tokenizer.eos_token_id
    assert table["n_bytes"].iloc[-2] == len("Là-bas, à l'orée 🌲".encode())


def test_few_tokens_are_scored_at_a_time(base: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = base
    whole = reference_log_likelihood(model, tokenizer, PROMPTS, batch_tokens=4096)
    monkeypatch.setattr(reference_likelihood, "TOKENS_SCORED", 7)
    with LargestScores(model.config.vocab_size) as seen:
        parts = reference_log_likelihood(model, tokenizer, PROMPTS, batch_tokens=4096)
    assert seen.n_rows == 7
    assert parts["log_likelihood"].tolist() == pytest.approx(whole["log_likelihood"].tolist(), rel=1e-6)


def test_a_model_that_caps_its_scores_is_refused(base: tuple) -> None:
    tokenizer = base[1]
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma2Config(
        vocab_size=len(tokenizer), num_key_value_heads=2, head_dim=16, final_logit_softcapping=0.05, **shape
    )
    model = Gemma2ForCausalLM(config).eval()
    torch.nn.init.normal_(model.get_input_embeddings().weight)
    with pytest.raises(ValueError, match=r"needs scores straight from the output layer, but Gemma2ForCausalLM changes"):
        reference_log_likelihood(model, tokenizer, PROMPTS, batch_tokens=4096)


def test_an_empty_reference_is_refused(base: tuple) -> None:
    prompts = PROMPTS.assign(response=["", *PROMPTS["response"].iloc[1:]])
    with pytest.raises(ValueError, match=f"reference must not be empty, but that of prompt {prompts['id'].iloc[0]}"):
        reference_log_likelihood(*base, prompts, batch_tokens=100)


def test_a_broken_model_is_refused() -> None:
    model, tokenizer = load_base_model(tiny_base())
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="likelihood of every reference must be a number"):
        reference_log_likelihood(model, tokenizer, PROMPTS, batch_tokens=100)
