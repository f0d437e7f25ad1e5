"""Memory and disk by hand, of Llama-2-7B."""

import pytest
from macromicro.models.room import answering_memory, embeddings_on_disk, model_on_disk, training_memory
from macromicro.study.sections import AnswerParams, FinetuneParams
from shapes import LLAMA2_7B

N = 6_738_415_616
N_ADAPTER = 32 * 16 * (4 * (4096 + 4096) + 3 * (4096 + 11_008))
KEPT = 8 * 4096 + 2 * 4096 + 4 * 11_008


@pytest.mark.parametrize(
    ("method", "frozen", "trained"),
    [
        ("full", 0, 16 * N),
        ("lora", 2 * N, 16 * N_ADAPTER),
        ("qlora", (N - 2 * 32_000 * 4096) // 2 + 2 * 2 * 32_000 * 4096, 16 * N_ADAPTER),
    ],
)
def test_weights_of_each_method(method, frozen, trained):
    found = training_memory(LLAMA2_7B, FinetuneParams(method=method, lora_rank=16), pass_tokens=1000, bf16=True)
    assert found.trained == trained
    assert found.frozen == pytest.approx(frozen, rel=1e-12)
    assert found.activations == 1000 * ((32 * 4096 + KEPT) * 2 + 32_000 * (2 + 8))
    assert found.total == sum(found)


def test_without_checkpointing_every_layer_keeps_all_in_the_type_of_the_computation():
    settings = FinetuneParams(gradient_checkpointing=False)
    found = training_memory(LLAMA2_7B, settings, pass_tokens=10, bf16=False)
    assert found.activations == 10 * (32 * KEPT * 4 + 32_000 * (4 + 8))
    lora = FinetuneParams(method="lora")
    assert training_memory(LLAMA2_7B, lora, pass_tokens=10, bf16=False).frozen == 4 * N


def test_eight_processes_share_weights_and_each_sees_a_layer_whole():
    alone, shared = (
        training_memory(LLAMA2_7B, FinetuneParams(), pass_tokens=10, bf16=True, n_shares=n_shares)
        for n_shares in (1, 8)
    )
    assert shared.trained == 2 * N
    n_embedding = 2 * 32_000 * 4096
    assert shared.activations - alone.activations == 4 * (n_embedding + (N - n_embedding) // 32)
    lora = FinetuneParams(method="lora")
    assert training_memory(LLAMA2_7B, lora, pass_tokens=10, bf16=True, n_shares=8).frozen == N // 4


def test_answering_keeps_half_a_mebibyte_a_token_in_bfloat16():
    found = answering_memory(LLAMA2_7B, AnswerParams(), batch_tokens=65_536, bf16=True)
    assert found == 2 * N + 32 * 2**30
    assert answering_memory(LLAMA2_7B, AnswerParams(), batch_tokens=1, bf16=False) == 4 * N + 2**20


def test_disk():
    assert model_on_disk(LLAMA2_7B, FinetuneParams()) == 4 * N + 70 * 32_000
    assert model_on_disk(LLAMA2_7B, FinetuneParams(method="lora")) == 4 * N_ADAPTER + 70 * 32_000
    assert embeddings_on_disk(1000, n_dimensions=384) == 1000 * (1536 + 32)
