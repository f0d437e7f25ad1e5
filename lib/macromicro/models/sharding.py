"""A model whose weights are shared out to the processes that train it together, by PyTorch's FSDP2.

A process keeps an n-th of every weight, of its gradient and of what the optimiser remembers of it, and sees a layer
whole only while it computes it (Zhao et al. 2023, arXiv 2304.11277). It reads an n-th of the samples of every step, so
that steps, losses and weights are those of one process, up to the order of sums. Where a process trains alone, nothing
of this changes anything.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as group
from numpy.typing import NDArray

from macromicro.study.compute import device

IntArray = NDArray[np.int64]


def n_processes() -> int:
    """How many processes train together."""
    return group.get_world_size() if group.is_initialized() else 1


def place() -> int:
    """Which of them this one is, from 0."""
    return group.get_rank() if group.is_initialized() else 0


def load_in_turn(load: Callable[[torch.device], Any]) -> Any:
    """The model that `load` reads onto a device, of which this process keeps its share.

    The processes read one after the other, each into the memory of the processor, so that it holds one whole model at
    a time and no GPU ever does.
    """
    if n_processes() == 1:
        return load(device())
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh(device().type, (n_processes(),))
    for turn in range(n_processes()):
        if turn == place():
            model = _share_out(load(torch.device("cpu")), mesh)
        group.barrier()
    return model


def own_passes(rows: IntArray, batch_size: int) -> list[tuple[IntArray, bool]]:
    """The rows of this process of one step, `batch_size` to a pass, and whether a pass counts.

    All processes must go through the model equally often, so one that has fewer rows reads the first again for nothing.

    >>> own_passes(np.arange(5), 2)
    [(array([0, 1]), True), (array([2, 3]), True), (array([4]), True)]
    """
    shares = np.array_split(rows, n_processes())
    own, n_passes = shares[place()], -(-len(shares[0]) // batch_size)
    passes = [(own[start : start + batch_size], True) for start in range(0, len(own), batch_size)]
    return passes + [(rows[:1], False)] * (n_passes - len(passes))


def add_up(value: float) -> float:
    """The sum of a number over the processes."""
    if n_processes() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device())
    group.all_reduce(total)
    return float(total)


def agree(value: bool) -> bool:
    """What the first process says, for all."""
    return bool(add_up(float(value and place() == 0)))


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of which every process has a share, whole; all of them must ask for it. Others are left as they are."""
    if n_processes() == 1:  # without the second that it takes to import tensors in shares
        return tensor
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share_of(tensor: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Of a whole tensor the share that this process has of `weight`, which has the same shape."""
    if n_processes() == 1:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(weight, DTensor):
        return tensor
    return distribute_tensor(tensor.to(device()), weight.device_mesh, weight.placements, src_data_rank=None)


def whole_weights(model: Any) -> dict[str, torch.Tensor] | None:
    """The weights that are trained, whole and in the first process alone; None of a model that is not shared out."""
    if n_processes() == 1:
        return None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(
        full_state_dict=True, cpu_offload=True, ignore_frozen_params=hasattr(model, "peft_config")
    )
    weights = cast(dict[str, torch.Tensor], get_model_state_dict(model, options=options))
    once = {
        name for name, _ in (*model.named_parameters(), *model.named_buffers())
    }  # without second names of one weight
    return {name: weight for name, weight in weights.items() if name in once}


def _share_out(model: Any, mesh: Any) -> Any:
    """The model with the weights of each of its layers shared out, and then of what is left."""
    from torch.distributed.fsdp import fully_shard

    layers = set(model._no_split_modules or ())
    for layer in [module for module in model.modules() if type(module).__name__ in layers]:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)
