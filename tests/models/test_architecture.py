"""Parameters by arithmetic against models that are built, published counts and the headers of files."""

import shutil

import pytest
from macromicro.models.architecture import (
    SMOLLM2,
    count_in_headers,
    find_architecture,
    guess_architecture,
)
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.trainable import load_trainable
from macromicro.study.sections import BaseModelParams, FinetuneParams
from shapes import LLAMA2_7B
from tiny_models import FINETUNING, MODEL, tiny_base


def test_published_counts():
    assert LLAMA2_7B.n_parameters == 6_738_415_616
    assert LLAMA2_7B.n_multiplied == 6_738_415_616 - 32_000 * 4096
    assert SMOLLM2.n_parameters == SMOLLM2.n_multiplied == 134_515_008


def test_a_tiny_llama_has_the_parameters_of_the_model_that_is_built():
    shape, _ = find_architecture(BaseModelParams(**MODEL))
    model = load_trainable(tiny_base(), load_tokenizer(tiny_base()), FinetuneParams(**FINETUNING))
    assert shape.n_parameters == model.num_parameters() == count_in_headers(tiny_base())


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"]])
def test_an_adapter_has_the_parameters_of_the_one_that_is_trained(targets):
    settings = FinetuneParams(**{**FINETUNING, "method": "lora", "lora_targets": targets})
    shape, _ = find_architecture(BaseModelParams(**MODEL))
    model = load_trainable(tiny_base(), load_tokenizer(tiny_base()), settings)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert shape.n_adapter(settings) == shape.n_trained(settings) == trained


def test_a_checkpoint_is_read_from_its_configuration_and_headers(tmp_path):
    folder = shutil.copytree(tiny_base(), tmp_path / "model")
    shape, known_from = find_architecture(BaseModelParams(source=str(folder)))
    made, _ = find_architecture(BaseModelParams(**MODEL))
    assert known_from == "from its config.json"
    assert (shape.hidden, shape.layers, shape.key_heads, shape.tied) == (32, 2, 2, True)
    assert shape.n_parameters == made.n_parameters
    (folder / "model.safetensors").unlink()
    assert find_architecture(BaseModelParams(source=str(folder)))[0].n_parameters == made.n_parameters


def test_what_cannot_be_looked_at_needs_a_number(tmp_path):
    with pytest.raises(ValueError, match=r"base_model.source='.*none' cannot be looked at .*give --parameters 7e9"):
        find_architecture(BaseModelParams(source=str(tmp_path / "none")))
    shape, _ = find_architecture(BaseModelParams(source="who/knows"), n_parameters=7_000_000_000)
    assert shape.n_parameters == 7_000_000_000
    assert shape == guess_architecture(7_000_000_000)


def test_a_shallower_one_has_fewer_layers_and_at_least_one():
    assert SMOLLM2.shallower(200_000_000) is SMOLLM2
    less = LLAMA2_7B.shallower(1_000_000_000)
    assert (less.layers, less.hidden) == (3, 4096)
    assert LLAMA2_7B.shallower(1).layers == 1
