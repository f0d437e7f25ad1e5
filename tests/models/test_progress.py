"""A training that is killed goes on where it was saved, and ends with the bytes of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from macromicro.models.finetune import train
from macromicro.study.files import digest
from tiny_models import FINETUNING, make_samples, tiny_base

SAMPLES = make_samples(24, seed=5)
TUNING = {**FINETUNING, "n_epochs": 10, "batch_size": 2, "learning_rate": 1e-2}
KILLED = """
import sys
from pathlib import Path
from macromicro.models.finetune import train
from test_progress import SAMPLES, TUNING
tuning = {**TUNING, "method": sys.argv[3], "save_every_minutes": 0}
train(SAMPLES, base=sys.argv[1], path=Path(sys.argv[2]), seed=0, **tuning)
"""


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_that_was_killed_goes_on_and_gives_the_same_bytes(tmp_path: Path, method: str) -> None:
    tuning = {**TUNING, "method": method}
    whole = train(SAMPLES, base=tiny_base(), path=tmp_path / "a" / "model", seed=0, **tuning)
    place = tmp_path / "b" / "model"
    saved = place.with_name(".model.progress")
    folders = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path])
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tiny_base()), str(place), method], env={**os.environ, "PYTHONPATH": folders}
    )
    try:
        while not saved.is_file() and running.poll() is None:
            time.sleep(0.01)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert saved.is_file()
    assert not place.exists()
    rest = train(SAMPLES, base=tiny_base(), path=place, seed=0, **tuning)
    assert 0 < rest.resumed_at < len(whole.losses)
    assert digest(place) == digest(whole.path)
    assert [path.name for path in place.parent.iterdir() if not path.name.endswith(".part")] == ["model"]


def test_short_trainings_save_nothing_on_the_way(tmp_path: Path) -> None:
    trained = train(SAMPLES, base=tiny_base(), path=tmp_path / "model", seed=0, **FINETUNING)
    assert trained.resumed_at == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"learning_rate": 2e-2}, {"samples": SAMPLES.assign(response="no")}])
def test_the_progress_of_another_training_is_left_alone(tmp_path: Path, other: dict) -> None:
    def stop_after_a_step(place: Path) -> None:
        with pytest.raises(ValueError, match="must be a number"):
            train(SAMPLES, base=tiny_base(), path=place, seed=0, **{**TUNING, "learning_rate": 1e30}, **often)
        assert place.with_name(f".{place.name}.progress").is_file()

    often = {"save_every_minutes": 0}
    stop_after_a_step(tmp_path / "model")
    asked = {"samples": SAMPLES, "seed": 0, **TUNING, **other}
    samples = asked.pop("samples")
    trained = train(samples, base=tiny_base(), path=tmp_path / "model", **asked)
    alone = train(samples, base=tiny_base(), path=tmp_path / "alone", **asked)
    assert trained.resumed_at == 0
    assert digest(trained.path) == digest(alone.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "model"]
