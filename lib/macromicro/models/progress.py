"""How far a training has come, kept beside its model, so that one which is killed goes on from there.

A file of safetensors: the weights that are trained, what the optimiser remembers of them, the random state, and the
loss table, all of it whole however many processes share the model. It is written aside and renamed, belongs to one
dataset with one set of settings, and is removed with the end of the training. On a processor a training that goes on
gives the bytes of one that was never stopped.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from macromicro.models.chat import EncodedSamples
from macromicro.models.sharding import agree, place, share_of, whole
from macromicro.study.files import write_aside

Row = tuple[int, int, float]


class Progress:
    """The file of one training.

    Parameters: model, the folder that the model will have; key, all that the training follows from (`training_key`);
    every_minutes, the least time between two saves.
    """

    def __init__(self, model: Path, key: str, *, every_minutes: float) -> None:
        self.path = model.with_name(f".{model.name}.progress")
        self._key = key
        self._seconds = 60 * every_minutes
        self._last = time.monotonic()

    def save_if_due(self, table: list[Row], model: Any, optimizer: torch.optim.Optimizer) -> None:
        """Write the state after the last step of the loss table, if the time for it has come."""
        if not agree(time.monotonic() - self._last >= self._seconds):
            return
        tensors = {f"weight.{name}": weight.detach() for name, weight in _trained(model)}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        tensors |= {f"random.{number}": state for number, state in enumerate(_random_states())}
        kept = {name: whole(tensor).cpu().contiguous() for name, tensor in tensors.items()}
        if place() == 0:
            with write_aside(self.path) as aside:
                save_file(kept, aside, metadata={"key": self._key, "table": json.dumps(table)})
        self._last = time.monotonic()

    def resume(self, model: Any, optimizer: torch.optim.Optimizer) -> list[Row]:
        """Put model, optimiser and random state where they were; the loss table so far, empty if there is nothing.

        A file of another training under this name is removed.
        """
        if not self.path.is_file():
            return []
        with safe_open(self.path, framework="pt") as file:
            if file.metadata()["key"] != self._key:
                self.remove()
                return []
            table = [(step, n_seen, loss) for step, n_seen, loss in json.loads(file.metadata()["table"])]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, a file is no mapping
        weights = list(_trained(model))
        with torch.no_grad():
            for name, weight in weights:
                weight.copy_(share_of(tensors[f"weight.{name}"], weight))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name in filter(lambda name: name.startswith("optimizer."), tensors):
            _, number, kind = name.split(".")
            weight, value = weights[int(number)][1], tensors[name]
            states.setdefault(int(number), {})[kind] = share_of(value, weight) if value.shape == weight.shape else value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random.0"])
        if torch.cuda.is_available() and "random.1" in tensors:
            torch.cuda.set_rng_state(tensors["random.1"])
        return table

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)


def training_key(encoded: EncodedSamples, base: str | Path, facts: dict[str, Any]) -> str:
    """A hash of all that a training follows from: its tokens, the files of the base model by name, size and time."""
    whole = hashlib.sha256(json.dumps([encoded.tokens, encoded.prompt_lengths.tolist()]).encode())
    files = sorted(file for file in Path(base).rglob("*") if file.is_file())
    marks = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files] or str(base)
    whole.update(json.dumps([marks, facts, torch.__version__], sort_keys=True).encode())
    return whole.hexdigest()


def _trained(model: Any) -> Iterable[tuple[str, torch.Tensor]]:
    """Names and values of the weights that are trained."""
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


def _random_states() -> list[torch.Tensor]:
    """The random state of the processor, and that of the GPU if there is one."""
    gpu = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *gpu]
