"""Where the seconds of training go: import, load, train, save.

python benchmarks/training.py base HELD_OUT.parquet FOLDER [--preset smoke]
python benchmarks/training.py models BASE SAMPLES.parquet [--preset smoke] [--models 7] [--size 500]
python benchmarks/training.py rate BASE SAMPLES.parquet [--preset laptop] [--method full]
python benchmarks/training.py answers BASE PROMPTS.parquet [--preset laptop] [--size 40]

`base` trains the base model of a preset on held-out samples (`outputs/STUDY/corpus/held_out.parquet`) and leaves it in
FOLDER. `models` fine-tunes it on random datasets, one after the other, as a job of the study does, in a process whose
start counts too. Wall seconds, and seconds of the processor, which other jobs on the machine disturb less.

`rate` gives tokens per second of fine-tuning on one thread, from the difference between two trainings of one and four
steps, so that loading and saving do not count, and which share that is of a matrix product alone. Counted are the
products with the weights: two operations for each weight and token forwards, as many backwards for the activations,
and in full fine-tuning for the weights; those of the output layer for response tokens only. `answers` gives tokens
per second of greedy answers.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["base", "models", "one-process", "rate", "answers"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--models", type=int, default=7)
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--method", choices=["full", "lora"], default="full")
    asked = parser.parse_args()
    if asked.what == "base":
        train_base(asked.source, asked.target, asked.preset)
    elif asked.what == "rate":
        measure_rate(asked.source, asked.target, asked.preset, asked.method)
    elif asked.what == "answers":
        measure_answers(asked.source, asked.target, asked.preset, asked.size)
    elif asked.what == "one-process":
        train_models(asked.source, asked.target, asked.preset, asked.models, asked.size)
    else:
        began = time.perf_counter()
        subprocess.run([sys.executable, __file__, "one-process", *sys.argv[2:]], check=True)
        print(f"whole process: {time.perf_counter() - began:.1f} s")


def train_base(held_out: Path, folder: Path, preset: str) -> None:
    import pandas as pd
    from macromicro.models.basemodel import train_base_model
    from macromicro.study import params

    study = params.load(preset)
    settings = study.base_model.model_dump(exclude={"source", "revision"})
    samples = pd.read_parquet(held_out)
    wall, processor = time.perf_counter(), time.process_time()
    losses = train_base_model(samples, path=folder, seed=study.seed, **settings)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(losses.dropna().to_string(index=False))
    print(f"{len(losses)} steps, {losses['tokens'].iloc[-1]:,} tokens: {wall:.0f} s, {processor:.0f} s of processor")


def train_models(base: Path, samples: Path, preset: str, n_models: int, size: int) -> None:
    began = time.perf_counter()
    import pandas as pd
    from macromicro.models.finetune import Job, train_models
    from macromicro.study import params
    from transformers import AutoModelForCausalLM  # noqa: F401 (imported here so that its time is not that of a model)

    print(f"imports: {time.perf_counter() - began:.1f} s")
    study = params.load(preset)
    everything = pd.read_parquet(samples)
    training = 0.0
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(everything.sample(size, random_state=i), Path(folder) / f"n{size}-s{i}", i) for i in range(n_models)
        ]
        last = time.perf_counter()
        for trained in train_models(jobs, base=base, settings=study.finetune):
            now = time.perf_counter()
            rest = now - last - trained.seconds
            n_tokens = trained.losses["tokens"].iloc[-1]
            print(
                f"{trained.path.name}: {len(trained.losses)} steps, {n_tokens:,} tokens in {trained.seconds:.2f} s; "
                f"read, load, save {rest:.2f} s"
            )
            training, last = training + trained.seconds, now
    whole = time.perf_counter() - began
    print(f"training: {training:.1f} s of {whole:.1f} s; the rest is {(whole - training) / training:.0%} of it")


def measure_rate(base: Path, samples: Path, preset: str, method: str) -> None:
    import pandas as pd
    from macromicro.models.basemodel import load_base_model
    from macromicro.models.chat import encode_samples
    from macromicro.models.finetune import lay_end_to_end, train
    from macromicro.study import params

    settings = {**params.load(preset).finetune.model_dump(), "method": method, "n_epochs": 1}
    per_step = settings["batch_size"] * settings["gradient_accumulation"]
    many = pd.read_parquet(samples).sample(4 * per_step, random_state=0)
    products, spent = [product_rate()], []
    with tempfile.TemporaryDirectory() as folder:
        one = many.head(per_step)
        for name, dataset in (("imports", one), ("one", one), ("four", many)):
            began = time.process_time()
            train(dataset, base=base, path=Path(folder) / name, seed=0, **settings)
            spent.append(time.process_time() - began)
            products.append(product_rate())
    model, tokenizer = load_base_model(base)
    encoded = encode_samples(many.tail(3 * per_step), tokenizer)
    n_tokens = int(encoded.lengths.sum())
    n_computed = lay_end_to_end(encoded, encoded.lengths.argsort())[0].numel()
    n_output = model.get_output_embeddings().weight.numel()
    n_layers = model.num_parameters() - model.get_input_embeddings().weight.numel()
    n_responses = n_tokens - int(encoded.prompt_lengths.sum())
    per_weight = 6 if method == "full" else 4
    rate = per_weight * (n_layers * n_tokens + n_output * n_responses) / (spent[2] - spent[1])
    print(f"{method}: {n_tokens / (spent[2] - spent[1]):.1f} tokens/s of processor, {n_tokens:,} tokens")
    print(
        f"padding: {1 - n_tokens / n_computed:.1%}; products: {', '.join(f'{p / 1e9:.0f}' for p in products)} GFLOP/s"
    )
    print(f"{rate / 1e9:.1f} GFLOP/s, {rate / max(products):.0%} of the product")


def product_rate() -> float:
    """Operations per second of one core in a product of the sizes of SmolLM2's layers, best of ten."""
    import torch
    from macromicro.study.compute import reproducible, use_bf16

    dtype = torch.bfloat16 if use_bf16() else torch.float32
    a, b = torch.randn(1024, 576, dtype=dtype), torch.randn(1536, 576, dtype=dtype)
    times = []
    with reproducible(0):
        for _ in range(11):
            began = time.process_time()
            torch.nn.functional.linear(a, b)
            times.append(time.process_time() - began)
    return 2 * 1024 * 576 * 1536 / min(times[1:])


def measure_answers(base: Path, prompts: Path, preset: str, n_prompts: int) -> None:
    import pandas as pd
    from macromicro.models.answer import answer_prompts
    from macromicro.models.basemodel import load_base_model
    from macromicro.study import params

    settings = params.load(preset).answer
    asked = pd.read_parquet(prompts).sort_values("id").head(n_prompts)
    model, tokenizer = load_base_model(base)
    wall, processor = time.perf_counter(), time.process_time()
    answers = answer_prompts(model, tokenizer, asked, seed=0, settings=settings)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    n_tokens = int(answers["n_answer_tokens"].sum())
    print(f"{len(asked)} answers, {n_tokens:,} tokens: {n_tokens / processor:.0f} tokens/s of processor", end="; ")
    print(f"{wall:.0f} s, {processor:.0f} s of processor")


if __name__ == "__main__":
    main()
