"""All settings of a study, and the strategies that they name.

A strategy is a name: what its types are and where they are counted, or how a rival chooses samples without types, with
whatever it sets differently from the sections of the study.
"""

from typing import Annotated, Any, NamedTuple, cast

from pydantic import AfterValidator, Field, ValidationError, model_validator

from macromicro.study.layout import Layout, find_root
from macromicro.study.sections import (
    AnalyseParams,
    AnswerParams,
    BaseModelParams,
    CorpusParams,
    Count,
    FinetuneParams,
    Granularity,
    JudgeLlmParams,
    JudgeParams,
    Method,
    Part,
    PopulationParams,
    RespondParams,
    Section,
    SelectParams,
    TagsParams,
    TokensParams,
    TopicsParams,
    TypeSettings,
    TypesParams,
)

OVERRIDDEN = ("topics", "tags", "tokens", "select")
SECTIONS_OF = {"macro": ("embed", "topics"), "meso": ("embed", "tags"), "micro": ("tokens",)}
"""Sections that give a text its types, by granularity; `types` and, for a language model's tags, `tag_llm` besides."""

NAME = r"^[a-z0-9][a-z0-9_-]*$"
BASELINE = "baseline"
UNTUNED = "untuned"
"""Name of the base model as it is, held against the baselines: a model that was fine-tuned on no samples."""


class Dataset(NamedTuple):
    """One dataset of the grid. `level` is the diversity level in percent, None where a strategy has no levels.

    The untuned model has one of size 0, whatever the seed of the baseline that it is held against.
    """

    strategy: str
    size: int
    level: int | None
    seed: int

    @property
    def name(self) -> str:
        """Its name among the datasets of its strategy.

        >>> Dataset("response-micro", 500, 33, 0).name, Dataset("baseline", 500, None, 1).name
        ('n500-d033-s0', 'n500-s1')
        """
        return dataset_name(self.size, self.level, self.seed)

    @property
    def title(self) -> str:
        """What a reader calls it among the datasets of its strategy and seed.

        >>> Dataset("response-micro", 500, 33, 0).title, Dataset("baseline", 500, None, 1).title
        ('N = 500, 33 %', 'N = 500')
        """
        if self.size == 0:
            return UNTUNED
        return f"N = {self.size:,}" + ("" if self.level is None else f", {self.level} %")


def dataset_name(size: int, level: int | None, seed: int) -> str:
    """Name of a dataset of `size` samples at diversity `level` (percent; None where there are no levels).

    >>> dataset_name(500, 33, 0), dataset_name(0, None, 1)
    ('n500-d033-s0', 'untuned')
    """
    if size == 0:
        return UNTUNED
    return f"n{size}-s{seed}" if level is None else f"n{size}-d{level:03d}-s{seed}"


class StrategyParams(Section):
    """One strategy: a granularity on one part, or a rival `method` of choosing samples.

    `family` names the strategies that are tested together (Holm). topics, tags, tokens and select hold only
    what differs from the sections of the study.
    """

    part: Part = "response"
    granularity: Granularity | None = None
    method: Method = "even"
    family: Annotated[str, Field(pattern=NAME)] = "paper"
    topics: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, Any] = Field(default_factory=dict)
    tokens: dict[str, Any] = Field(default_factory=dict)
    select: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> "StrategyParams":
        typed = self.method in ("even", "max-coverage")
        if typed and self.granularity is None:
            raise ValueError(f"method={self.method!r} chooses by types: give a granularity (macro, meso or micro)")
        if not typed and self.granularity is not None:
            raise ValueError(f"method={self.method!r} knows no types, so it takes no granularity={self.granularity!r}")
        read = {*SECTIONS_OF.get(self.granularity or "", ()), "select"}
        for name in OVERRIDDEN:
            if getattr(self, name) and name not in read:
                raise ValueError(f"{name} is not read by a strategy of granularity={self.granularity!r}")
        if "share" in self.select:
            raise ValueError("select.share is of the whole study: strategies are held against one baseline")
        for key in ("levels", "pruning", "budget"):
            if self.method != "even" and key in self.select:
                raise ValueError(f"select.{key} is for method='even', but method={self.method!r}")
        return self


class Strategy(Section):
    """A strategy with its settings resolved: those of the study, and over them its own."""

    name: str
    part: Part
    granularity: Granularity | None
    method: Method
    family: str
    topics: TopicsParams
    tags: TagsParams
    tokens: TokensParams
    select: SelectParams

    @property
    def has_levels(self) -> bool:
        """Whether its datasets differ in diversity level."""
        return self.method == "even"

    @property
    def is_untuned(self) -> bool:
        """Whether it is the base model itself, which has no datasets to be fine-tuned on."""
        return self.name == UNTUNED or self.name.startswith(f"{UNTUNED}-")

    @property
    def baseline(self) -> str:
        """Name of the strategy that its models are held against: random draws from the same samples.

        >>> from macromicro.study import params
        >>> params.load("smoke").strategy("response-micro").baseline
        'baseline'
        """
        length = self.select.length
        return f"{BASELINE}-{length[0]}-{length[1]}" if length else BASELINE

    @property
    def baseline_size(self) -> int:
        """Size of the baseline datasets that its models are held against: its smallest one (our reading)."""
        return min(self.select.sizes)

    def datasets(self, seed: int | None = None) -> list[Dataset]:
        """Its datasets in order of size, level and seed; those of one `seed` where it is given."""
        grid = self.select
        sizes = [0] if self.is_untuned else grid.sizes
        levels: list[int | None] = list(grid.levels) if self.has_levels else [None]
        seeds = grid.seeds if seed is None else [seed]
        return [Dataset(self.name, size, level, s) for size in sizes for level in levels for s in seeds]


def _paper_strategies() -> dict[str, StrategyParams]:
    """The six strategies of the paper."""
    pairs = [(part, grain) for part in ("instruction", "response") for grain in ("macro", "meso", "micro")]
    return {f"{p}-{g}": StrategyParams(part=cast(Part, p), granularity=cast(Granularity, g)) for p, g in pairs}


def _names_strategies(strategies: dict[str, StrategyParams]) -> dict[str, StrategyParams]:
    """The mapping, if it names a strategy and none takes the name of a baseline or of the untuned model."""
    if not strategies:
        raise ValueError("there must be at least one strategy")
    for name in strategies:
        for own, whose in ((BASELINE, "the baselines"), (UNTUNED, "the untuned base model")):
            if name == own or name.startswith(f"{own}-"):
                raise ValueError(f"{name!r}: names that begin with {own!r} are those of {whose}")
    return strategies


Strategies = Annotated[dict[Annotated[str, Field(pattern=NAME)], StrategyParams], AfterValidator(_names_strategies)]


class Origin(Section):
    """The name of a study, which is that of its folder under `outputs/`; its strategies; its samples and model."""

    study: Annotated[str, Field(pattern=NAME)]
    description: str
    seed: Count = 0
    strategies: Strategies = _paper_strategies()
    base_model: BaseModelParams = BaseModelParams()
    corpus: CorpusParams
    respond: RespondParams = RespondParams()


class Study(TypeSettings, Origin):
    """All settings of a study, in this order: those of its origin, those of its types, and its own."""

    types: TypesParams = TypesParams(untyped="nearest")
    population: PopulationParams = PopulationParams()
    select: SelectParams = SelectParams()
    finetune: FinetuneParams = FinetuneParams()
    answer: AnswerParams = AnswerParams()
    judge: JudgeParams = JudgeParams()
    judge_llm: JudgeLlmParams = JudgeLlmParams()
    analyse: AnalyseParams = AnalyseParams()

    @model_validator(mode="after")
    def _fits_together(self) -> "Study":
        if self.types.untyped == "drop":
            raise ValueError(
                "types.untyped='drop' would draw datasets from other samples than the baseline: use 'nearest' or 'own'"
            )
        limit = self.corpus.limit
        for strategy in [self.strategy(name) for name in self.strategies]:
            for size in strategy.select.sizes:
                if limit is not None and size > limit * strategy.select.share:
                    share = f"select.share={strategy.select.share}"
                    raise ValueError(f"select.sizes: size={size} must be at most {share} of corpus.limit={limit}")
            if strategy.granularity == "meso" and strategy.tags.tagger == "llm" and not self.tag_llm.model:
                raise ValueError("tag_llm.model must name a language model: tags.tagger='llm' asks it for tags")
        if "llm" in self.judge.kinds and not self.judge_llm.model:
            raise ValueError("judge_llm.model must name a language model: judge.kinds has 'llm'")
        if self.answer.engine == "server" and self.judge.reads_likelihood:
            raise ValueError(
                "answer.engine='server' gives no likelihoods: use 'hf', or leave 'likelihood' out of judge.kinds"
            )
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

    def strategy(self, name: str) -> Strategy:
        """The strategy (or baseline, or untuned model) of a name, its settings resolved.

        Raises ValueError if there is none of this name, or one of its own settings is impossible.
        """
        if name in self.strategies:
            given = self.strategies[name]
            plain = {key: getattr(given, key) for key in ("part", "granularity", "method", "family")}
            merged = {key: self._override(name, key, getattr(given, key)) for key in OVERRIDDEN}
            return Strategy.model_validate({"name": name, **plain, **merged})
        untuned = self.untuned
        answering = next(iter(untuned.values())).model_copy(update={"name": UNTUNED})  # once for all baselines
        others = {**self.baselines, UNTUNED: answering, **untuned}
        if name not in others:
            known = ", ".join([*self.strategies, *others])
            raise ValueError(f"no strategy {name!r}: this study has {known}")
        return others[name]

    @property
    def baselines(self) -> dict[str, Strategy]:
        """The baselines that the strategies are held against, by name: random draws of the smallest sizes."""
        found: dict[str, Strategy] = {}
        for strategy in [self.strategy(name) for name in self.strategies]:
            known = found.get(strategy.baseline)
            sizes = {strategy.baseline_size, *(known.select.sizes if known else ())}
            seeds = {*strategy.select.seeds, *(known.select.seeds if known else ())}
            length, share = strategy.select.length, self.select.share
            select = SelectParams(sizes=sorted(sizes), seeds=sorted(seeds), length=length, share=share)
            found[strategy.baseline] = strategy.model_copy(
                update={"name": strategy.baseline, "part": "response", "granularity": None, "method": "random",
                        "family": BASELINE, "select": select, "topics": self.topics, "tags": self.tags,
                        "tokens": self.tokens}
            )  # fmt: skip
        return found

    @property
    def untuned(self) -> dict[str, Strategy]:
        """The untuned base model as it is held against each baseline, by name: `untuned`, `untuned-10-50`.

        It answers once; of a baseline with several sizes it meets the smallest.
        """
        return {
            name.replace(BASELINE, UNTUNED, 1): one.model_copy(
                update={"name": name.replace(BASELINE, UNTUNED, 1), "family": UNTUNED}
            )
            for name, one in self.baselines.items()
        }

    @property
    def variants(self) -> dict[str, str]:
        """The strategies that are one of the paper's six with something set differently, and which of the six.

        >>> from macromicro.study import params
        >>> params.load("smoke").variants
        {}
        """
        six, strategies = _paper_strategies(), map(self.strategy, self.strategies)
        leveled = {one.name: f"{one.part}-{one.granularity}" for one in strategies if one.has_levels}
        return {name: of for name, of in leveled.items() if name not in six and of in self.strategies}

    @property
    def all_strategies(self) -> list[Strategy]:
        """The baselines, and after them all strategies."""
        return [*self.baselines.values(), *(self.strategy(name) for name in self.strategies)]

    def _override(self, strategy: str, section: str, given: dict[str, Any]) -> Section:
        """A section of the study with the settings that a strategy gives for itself."""
        held: Section = getattr(self, section)
        if not given:
            return held
        try:
            return type(held).model_validate({**held.model_dump(), **given})
        except ValidationError as error:
            mistake = error.errors()[0]
            place = ".".join(map(str, (section, *mistake["loc"])))
            rule = "no such setting" if mistake["type"] == "extra_forbidden" else mistake["msg"]
            raise ValueError(f"strategies.{strategy}.{place}: {rule.removeprefix('Value error, ')}") from None
