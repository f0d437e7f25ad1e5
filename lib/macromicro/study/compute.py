"""Where models run and how a run repeats: device, precision, threads and random state.

On a processor every model is trained and read on one thread: sums then always add up in the same order, so the same
seed gives the same bytes, and two jobs on two cores are faster than one job on two threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Bf16 = bool | Literal["auto"]


def device() -> torch.device:
    """The first GPU that is visible where there is one, else the processor.

    However many there are a model runs on one, so that what it computes does not depend on the machine; another one is
    chosen by CUDA_VISIBLE_DEVICES.
    """
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def compute_dtype(bf16: Bf16) -> torch.dtype:
    """The type in which weights that are only read are loaded and computed with. Raises ValueError as `use_bf16`."""
    return torch.bfloat16 if use_bf16(bf16) else torch.float32


def use_bf16(wanted: Bf16 = "auto") -> bool:
    """Whether to compute in bfloat16; `auto` does where that is the faster way.

    A processor without instructions for it emulates it. Intel's `avx512_bf16` without AMX, as virtual machines have
    it, is slower than float32, that of AMD twice as fast (`benchmarks/README.md`).
    Raises ValueError if it is asked for on a GPU that lacks it.
    """
    if torch.cuda.is_available():
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        if wanted is True and not has:
            raise ValueError(f"bf16=True, but {torch.cuda.get_device_name()} has no bfloat16: use bf16=False")
    else:
        flags = torch.cpu.get_capabilities()
        fast = ("amx_bf16", "arm_bf16", *(() if "Intel" in flags.get("cpu_name", "") else ("avx512_bf16",)))
        has = any(flags.get(name, False) for name in fast)
    return bool(has) if wanted == "auto" else wanted


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread, and torch's random state seeded; both are put back at the end."""
    n_threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars of transformers; in a notebook they would end up on the page."""
    from transformers.utils import logging

    had = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if had:
            logging.enable_progress_bar()
