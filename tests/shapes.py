"""The shape of a model whose numbers are well known."""

from macromicro.models.architecture import Architecture

LLAMA2_7B = Architecture(32_000, 4096, 11_008, 32, 32, 32, 128, tied=False)
