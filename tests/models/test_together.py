"""Several processes that share a model train it as one process does, and end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from macromicro.models import sharding
from macromicro.models.attention import attend_text_by_text
from macromicro.models.basemodel import load_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.models.finetune import Job, Trained, add_gradient, train
from macromicro.models.sharding import load_in_turn
from macromicro.models.together import LAUNCHER, list_gpus, train_by_processes
from macromicro.models.trainable import load_trainable
from macromicro.study.sections import FinetuneParams
from safetensors.torch import load_file
from tiny_models import FINETUNING, make_samples, tiny_base

SAMPLES = make_samples(21, seed=5)
FOLDERS = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path])
TUNING = {**FINETUNING, "n_epochs": 3, "batch_size": 2, "gradient_accumulation": 2}


def train_together(path: Path, n: int = 2, base: str | Path | None = None, **changes: object) -> Trained:
    settings = FinetuneParams(**{**TUNING, **changes, "processes": n})
    [trained] = train_by_processes([Job(SAMPLES, path, 0)], base=base or tiny_base(), settings=settings)
    return trained


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    [file] = path.glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize(("n", "changes"), [(3, {"gradient_accumulation": 1}), (2, {"method": "lora"})])
def test_several_processes_train_the_model_of_one(tmp_path: Path, n: int, changes: dict) -> None:
    one = train(SAMPLES, base=tiny_base(), path=tmp_path / "one", seed=0, **{**TUNING, **changes})
    two = train_together(tmp_path / "two", n, **changes)
    pd.testing.assert_frame_equal(two.losses, one.losses, rtol=1e-5)
    assert one.losses["loss"].iloc[-1] < one.losses["loss"].iloc[0]
    first, second = weights_of(one.path), weights_of(two.path)
    assert {name: weight.dtype for name, weight in first.items()} == {n: weight.dtype for n, weight in second.items()}
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-4, atol=1e-4)
    assert sorted(file.name for file in two.path.iterdir()) == sorted(file.name for file in one.path.iterdir())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "two"], "what was printed is removed"


GRADIENT = """
import sys
import torch
from macromicro.models.sharding import place, whole
from safetensors.torch import save_file
from test_together import find_gradient
torch.distributed.init_process_group("gloo")
found = {name: whole(gradient).contiguous() for name, gradient in find_gradient(sys.argv[1]).items()}
if place() == 0:
    save_file(found, sys.argv[2])
torch.distributed.destroy_process_group()
"""


def find_gradient(base: str | Path) -> dict[str, torch.Tensor]:
    tokenizer = load_tokenizer(base)
    settings = FinetuneParams(**TUNING)
    model = load_in_turn(lambda where: load_trainable(base, tokenizer, settings, where=where))
    attend_text_by_text(model)
    add_gradient(model, encode_samples(SAMPLES, tokenizer), np.arange(5), batch_size=2, bf16=False)
    return {name: weight.grad for name, weight in model.named_parameters()}


def test_a_gradient_is_that_of_one_process(tmp_path: Path) -> None:
    """Beside the trainings, since AdamW takes the same steps on twice the gradient."""
    script, found = tmp_path / "script.py", tmp_path / "found.safetensors"
    script.write_text(GRADIENT)
    command = [sys.executable, *LAUNCHER, "2", str(script), str(tiny_base()), str(found)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": FOLDERS})
    together = load_file(found)
    for name, gradient in find_gradient(tiny_base()).items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n_rows", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_every_row_is_read_once_and_every_process_passes_equally_often(
    n: int, n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, found = np.arange(n_rows), []
    monkeypatch.setattr(sharding, "n_processes", lambda: n)
    for place in range(n):
        monkeypatch.setattr(sharding, "place", lambda place=place: place)
        found.append(sharding.own_passes(rows, 2))
    assert len({len(passes) for passes in found}) == 1
    assert sorted(np.concatenate([own for passes in found for own, counts in passes if counts])) == rows.tolist()
    assert all(1 <= len(own) <= 2 for passes in found for own, _ in passes)


def test_a_loss_that_is_no_number_ends_all_of_them_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"the gradient must be a number, but at step \d+ of two|the loss must be a num"
    ):
        train_together(tmp_path / "two", learning_rate=1e30)
    assert not (tmp_path / "two").exists()


def test_what_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"processes must be 1 with finetune.method='qlora'"):
        train_together(tmp_path / "two", method="qlora")


@pytest.mark.parametrize(("visible", "names"), [(None, ["0", "1"]), ("3,GPU-a", ["3", "GPU-a"])])
def test_each_process_has_a_gpu_that_is_visible(
    visible: str | None, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert list_gpus() == names
    with pytest.raises(ValueError, match=r"finetune\.processes=3 must be at most the 2 GPUs that are visible"):
        train_together(tmp_path / "three", 3, base="any")


KILLED = """
import sys
from pathlib import Path
from test_together import train_together
train_together(Path(sys.argv[1]), base=sys.argv[2], n_epochs=12, save_every_minutes=0)
"""


def test_killed_with_the_one_that_asked_and_gone_on_from_what_was_kept(tmp_path: Path) -> None:
    place = tmp_path / "two"
    saved = place.with_name(".two.progress")
    asking = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(place), str(tiny_base())], env={**os.environ, "PYTHONPATH": FOLDERS}
    )
    try:
        while not saved.is_file() and asking.poll() is None:
            time.sleep(0.01)
        started = psutil.Process(asking.pid).children(recursive=True)
    finally:
        asking.send_signal(signal.SIGKILL)
        asking.wait()
    assert len(started) >= 3, "guard, launcher and processes"
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
    assert not place.exists()
    whole = train(SAMPLES, base=tiny_base(), path=tmp_path / "one", seed=0, **{**TUNING, "n_epochs": 12})
    rest = train_together(place, n_epochs=12)
    assert 0 < rest.resumed_at < len(whole.losses)
    pd.testing.assert_frame_equal(rest.losses, whole.losses, rtol=1e-3)
