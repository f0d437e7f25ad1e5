"""Fine-tuning by several processes of one machine that share a model, a GPU each where there are any.

They are started for one model by PyTorch's launcher, under the guard that ends them with the notebook that asked, and
what they print goes to a hidden file beside the model, which is removed when it is done. The work itself is
`finetune.train_models`; `sharding` says who has what.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from macromicro.models.finetune import Job, Trained, train_models
from macromicro.models.sharding import place
from macromicro.study.sections import FinetuneParams

LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
DATASET, ASKED, DONE, FAILED = "dataset.parquet", "asked.json", "done.json", "failed.txt"


def train_by_processes(jobs: Iterable[Job], *, base: str | Path, settings: FinetuneParams) -> Iterator[Trained]:
    """`finetune.train_models` by as many processes as `settings.processes` says, here if it is one.

    Raises as that, ValueError if there are fewer GPUs than processes where there is one, and RuntimeError if the
    processes end without a word.
    """
    if settings.processes == 1:
        yield from train_models(jobs, base=base, settings=settings)
        return
    if settings.method == "qlora":
        raise ValueError(
            "finetune.processes must be 1 with finetune.method='qlora': weights of four bits are not shared"
        )
    n_gpus = len(list_gpus())
    if 0 < n_gpus < settings.processes:
        raise ValueError(f"finetune.processes={settings.processes} must be at most the {n_gpus} GPUs that are visible")
    for job in jobs:
        yield _train_together(job, base, settings)


def _train_together(job: Job, base: str | Path, settings: FinetuneParams) -> Trained:
    """Start the processes of one model, and wait for them."""
    log = job.path.with_name(f".{job.path.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    asked = {"base": str(base), "path": str(job.path), "seed": job.seed, "settings": settings.model_dump(mode="json")}
    asked["gpus"] = list_gpus()
    with TemporaryDirectory() as folder:
        files = Path(folder)
        job.dataset.to_parquet(files / DATASET)
        (files / ASKED).write_text(json.dumps(asked), encoding="utf-8")
        guarded = [sys.executable, *LAUNCHER, str(settings.processes), "-m", "macromicro.models.together", folder]
        command = [sys.executable, "-m", "macromicro.models.guard", str(os.getpid()), str(log), *guarded]
        status = subprocess.run(command, check=False).returncode
        if (files / FAILED).is_file():
            raise ValueError((files / FAILED).read_text(encoding="utf-8"))
        if status:
            raise RuntimeError(f"training by {settings.processes} processes ended with status {status}; see {log}")
        done = json.loads((files / DONE).read_text(encoding="utf-8"))
    log.unlink()
    return Trained(job.path, pd.read_parquet(job.path / "loss.parquet"), **done)


def list_gpus() -> list[str]:
    """The GPUs that are visible, by the names that CUDA_VISIBLE_DEVICES gives them."""
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n)))).split(",")[:n]


def _work(folder: Path) -> None:
    """What each of the processes does."""
    asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    if asked["gpus"]:  # before CUDA is asked anything: it reads this once
        os.environ["CUDA_VISIBLE_DEVICES"] = asked["gpus"][int(os.environ["LOCAL_RANK"])]
    torch.distributed.init_process_group("nccl" if asked["gpus"] else "gloo")
    job = Job(pd.read_parquet(folder / DATASET), Path(asked["path"]), asked["seed"])
    try:
        [trained] = train_models([job], base=asked["base"], settings=FinetuneParams(**asked["settings"]))
    except ValueError as error:
        (folder / FAILED).write_text(str(error), encoding="utf-8")
        raise
    if place() == 0:
        done = {"seconds": trained.seconds, "resumed_at": trained.resumed_at}
        (folder / DONE).write_text(json.dumps(done), encoding="utf-8")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
