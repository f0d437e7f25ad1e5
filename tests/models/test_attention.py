import pytest
import torch
from macromicro.models.attention import attend_text_by_text, lengths_for
from tiny_models import LLAMA_SIZES, TOKEN_TEXTS
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig


@pytest.mark.parametrize("n_shared_heads", [4, 2, 1])
def test_texts_end_to_end_are_those_texts_apart(n_shared_heads: int) -> None:
    """Logits and gradients, also where several heads of the query share one of key and value, as in SmolLM2."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**LLAMA_SIZES, num_key_value_heads=n_shared_heads))
    weight = torch.randn(sum(map(len, TOKEN_TEXTS)), 50)
    apart = torch.cat([model(input_ids=torch.tensor([text])).logits[0] for text in TOKEN_TEXTS])
    (apart * weight).sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    assert attend_text_by_text(model)
    row = torch.tensor([[token for text in TOKEN_TEXTS for token in text]])
    positions = torch.tensor([[place for text in TOKEN_TEXTS for place in range(len(text))]])
    assert lengths_for(model, positions) == {"text_lengths": [5, 1, 8]}
    together = model(input_ids=row, position_ids=positions, text_lengths=[5, 1, 8], use_cache=False).logits[0]
    (together * weight).sum().backward()
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-4, rtol=1e-4)


def test_models_with_windows_or_dropout_keep_their_own_attention() -> None:
    dropping = AutoModelForCausalLM.from_config(LlamaConfig(**LLAMA_SIZES, attention_dropout=0.1))
    windowed = AutoModelForCausalLM.from_config(MistralConfig(**LLAMA_SIZES, num_key_value_heads=4))
    for model in (dropping, windowed):
        assert not attend_text_by_text(model)
        assert lengths_for(model, torch.tensor([[0, 1, 0]])) == {}
