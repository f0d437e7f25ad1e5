"""A subset trains in TRL as its file did: loaded by `datasets`, and one step of a tiny model."""

import json

import pandas as pd
import pytest
from datasets import load_dataset

from tests.cli.test_bad_input import run
from tests.tiny_models import tiny_base

WORDS = ("alder", "birch", "cedar", "dogwood", "elm", "fir")
PAIRS = [(f"Name tree {n}.", f"{WORDS[n % 6]} or {WORDS[n % 5]}") for n in range(12)]
SHAPES = {
    "trl": [{"prompt": asked, "completion": answer} for asked, answer in PAIRS],
    "openai": [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
        for asked, answer in PAIRS
    ],
    "alpaca": [{"instruction": asked, "input": "", "output": answer} for asked, answer in PAIRS],
    "dolly": [{"instruction": asked, "context": "", "response": answer, "category": "qa"} for asked, answer in PAIRS],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]}
        for asked, answer in PAIRS
    ],
}
READS = ("trl", "openai")
"""Shapes that TRL trains on as they are."""


@pytest.fixture(scope="module")
def step(tmp_path_factory):
    """The loss of one step of TRL's trainer on a file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    out = tmp_path_factory.mktemp("trl")

    def train(path):
        kind = {"jsonl": "json"}.get(path.suffix[1:], path.suffix[1:])
        dataset = load_dataset(kind, data_files=str(path), split="train", cache_dir=str(out / "cache"))
        how = {"max_steps": 1, "per_device_train_batch_size": 2, "report_to": [], "save_strategy": "no"}
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(tiny_base()),
            processing_class=AutoTokenizer.from_pretrained(tiny_base()),
            train_dataset=dataset,
            args=SFTConfig(output_dir=str(out), use_cpu=True, bf16=False, seed=0, disable_tqdm=True, **how),
        )
        return len(dataset), trainer.train().training_loss

    return train


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_subset_of_any_shape_trains(shape, form, tmp_path, step):
    path = tmp_path / f"my.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in SHAPES[shape]))
    else:
        pd.DataFrame(SHAPES[shape]).to_parquet(path)
    asked = ("select", path.name, "-n", 4, "--method", "random")
    for wanted in (["same"] if shape in READS else []) + ["trl", "messages"]:
        assert not run(tmp_path, *asked, "-o", f"{wanted}.{form}", "--format", wanted).error
        n_samples, loss = step(tmp_path / f"{wanted}.{form}")
        assert n_samples == 4 and 0 < loss < 100
