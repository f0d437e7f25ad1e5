"""Where the seconds of training go: import, load, train, save.

python benchmarks/training.py base HELD_OUT.parquet FOLDER [--preset smoke]
python benchmarks/training.py models BASE SAMPLES.parquet [--preset smoke] [--models 7] [--size 500]

`base` trains the base model of a preset on held-out samples (`outputs/STUDY/corpus/held_out.parquet`) and leaves it in
FOLDER. `models` fine-tunes it on random datasets, one after the other, as a job of the study does, in a process whose
start counts too. Wall seconds, and seconds of the processor, which other jobs on the machine disturb less.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["base", "models", "one-process"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--models", type=int, default=7)
    parser.add_argument("--size", type=int, default=500)
    asked = parser.parse_args()
    if asked.what == "base":
        train_base(asked.source, asked.target, asked.preset)
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


if __name__ == "__main__":
    main()
