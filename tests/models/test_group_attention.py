import pytest
import torch
from macromicro.models.group_attention import BY_GROUP, attending_by_group
from tiny_models import LLAMA_SIZES, TOKEN_TEXTS
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, MistralConfig


@pytest.mark.parametrize("n_shared_heads", [4, 2, 1])
@pytest.mark.parametrize("padded", [True, False])
def test_tokens_written_by_group_are_those_of_the_attention_of_transformers(n_shared_heads: int, padded: bool) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**LLAMA_SIZES, num_key_value_heads=n_shared_heads)).eval()
    texts = TOKEN_TEXTS if padded else [[*text, *range(10)][:5] for text in TOKEN_TEXTS]
    width = max(map(len, texts))
    tokens = torch.tensor([[0] * (width - len(text)) + text for text in texts])
    asked = {
        "attention_mask": torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts]),
        "generation_config": GenerationConfig(max_new_tokens=6, do_sample=False, pad_token_id=0),
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    own = model.config._attn_implementation
    expected = model.generate(input_ids=tokens, **asked)
    with attending_by_group(model):
        assert model.config._attn_implementation == BY_GROUP
        found = model.generate(input_ids=tokens, **asked)
    assert model.config._attn_implementation == own
    torch.testing.assert_close(torch.stack(found.logits), torch.stack(expected.logits), atol=1e-5, rtol=1e-5)
    assert torch.equal(found.sequences, expected.sequences)


def test_a_model_with_windows_answers_with_its_own_attention() -> None:
    model = AutoModelForCausalLM.from_config(MistralConfig(**LLAMA_SIZES, num_key_value_heads=2))
    own = model.config._attn_implementation
    with attending_by_group(model):
        assert model.config._attn_implementation == own != BY_GROUP
