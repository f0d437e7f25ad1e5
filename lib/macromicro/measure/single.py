"""The metrics one by one: of a side of a dataset only those that are asked for, and why a value is missing.

The formulas are those of `metrics.measure`, Vendi and NovelSum; a metric that nobody asks for costs nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from macromicro.measure.embedding_diversity import DENSITY_POWER, local_density, mean_novelty, vendi_score
from macromicro.measure.lexical import N_DRAWS, hdd, mtld
from macromicro.measure.metrics import METRICS, compression_ratio, embedding_distance, ngram_ratio, take, token_entropy
from macromicro.measure.selfbleu import Ngrams, self_bleu

if TYPE_CHECKING:
    from macromicro.annotate.tokens import TokenizedTexts

ALL_METRICS = (*METRICS, "Vendi", "NovelSum")
OF_EMBEDDINGS = ("ED", "Vendi", "NovelSum")
OF_TOKENS = ("1-NR", "2-NR", "SL", "BL", "IE", "MTLD", "HD-D")
MAX_NOVELSUM = 50_000  # samples; NovelSum looks at all pairs: 2.65 s at 10,000 samples on one core, and quadratic


@dataclass(frozen=True, eq=False)
class Side:
    """The instructions or the responses of a dataset, as the metrics read them.

    Attributes
    ----------
    texts : the texts, n_texts of them.
    tokens : of the same texts; without a token where no metric asked for is one of `OF_TOKENS`.
    vectors : embeddings, shape (n_texts, dim); dim is 0 where none of `OF_EMBEDDINGS` is asked for.
    vendi_order : of the Vendi score.
    factors : what NovelSum multiplies distances by, shape (n_texts,); None where it is out of reach.
    no_novelsum : why there are no factors.
    left_out : metrics that would mean nothing here, with the reason; they have no value.
    """

    texts: Sequence[str]
    tokens: "TokenizedTexts"
    vectors: NDArray[np.float32]
    vendi_order: float = 1.0
    factors: NDArray[np.float64] | None = None
    no_novelsum: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def take(self, rows: NDArray[np.int64]) -> "Side":
        """The texts of `rows`, in that order; NovelSum keeps the density around each."""
        return replace(
            self,
            texts=[self.texts[row] for row in rows.tolist()],
            tokens=take(self.tokens, rows),
            vectors=self.vectors[rows],
            factors=None if self.factors is None else self.factors[rows],
        )


def add_density(side: Side, world: NDArray[np.float32]) -> Side:
    """The side with what NovelSum needs, or with the reason why it is out of reach.

    Parameters: world, embeddings of the reference, shape (n_reference, dim).
    """
    if len(side.texts) > MAX_NOVELSUM:
        reason = f"{len(side.texts):,} samples; it looks at all pairs and is not computed above {MAX_NOVELSUM:,}"
        return replace(side, no_novelsum=reason)
    if n_unread := _count_unread(side.vectors) or _count_unread(world):
        return replace(side, no_novelsum=_say_unread(n_unread))
    try:
        return replace(side, factors=local_density(side.vectors, world) ** DENSITY_POWER)
    except ValueError:
        return replace(side, no_novelsum="the reference has fewer than ten other texts to measure density by")


def measure_side(side: Side, metrics: Sequence[str]) -> dict[str, float]:
    """The metrics by name; NaN where there is no value (`why_missing`). Raises ValueError as each of them."""
    return {name: math.nan if name in side.left_out else FORMULAS[name](side) for name in metrics}


def why_missing(side: Side, metric: str) -> str:
    """Why a side has no value of a metric, in words, for a value that `measure_side` gave as NaN."""
    n_tokens = len(side.tokens.tokens)
    if metric in side.left_out:
        return side.left_out[metric]
    if metric in ("ED", "Vendi"):
        return _say_unread(_count_unread(side.vectors))
    if metric == "NovelSum":
        return side.no_novelsum
    if metric == "HD-D":
        return f"{n_tokens} tokens are too few to draw {N_DRAWS}"
    if n_tokens == 0:
        return "no text has a token"
    return {"2-NR": "no text has two tokens", "MTLD": "no token occurs twice"}[metric]


def _count_unread(vectors: NDArray[np.float32]) -> int:
    """Texts of which an embedding model has read nothing, so that their vector is zero: a static one, for instance."""
    return int((~vectors.any(axis=1)).sum())


def _say_unread(n_unread: int) -> str:
    return f"{n_unread:,} of the texts have no token that the embedding model knows"


def _if_read(measured: Callable[[Side], float]) -> Callable[[Side], float]:
    """A metric of embeddings, which has no value where a text has none."""
    return lambda side: math.nan if _count_unread(side.vectors) else measured(side)


def _novelsum(side: Side) -> float:
    return math.nan if side.factors is None else mean_novelty(side.vectors, side.factors)


FORMULAS: Mapping[str, Callable[[Side], float]] = {
    "1-NR": lambda side: ngram_ratio(Ngrams(side.tokens)),
    "2-NR": lambda side: ngram_ratio(Ngrams(side.tokens).extend()),
    "ED": _if_read(lambda side: embedding_distance(side.vectors)),
    "SL": lambda side: len(side.tokens.tokens) / len(side.texts),
    "CR": lambda side: compression_ratio(side.texts),
    "BL": lambda side: float(self_bleu(side.tokens).mean()),
    "IE": lambda side: token_entropy(side.tokens),
    "MTLD": lambda side: mtld(side.tokens),
    "HD-D": lambda side: hdd(side.tokens),
    "Vendi": _if_read(lambda side: vendi_score(side.vectors, q=side.vendi_order)),
    "NovelSum": _novelsum,
}
"""What each metric is computed from; the same values as `metrics.measure`."""
