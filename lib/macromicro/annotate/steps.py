"""What an annotator kept and left out, in words, from the report of its type matrix."""

from collections.abc import Mapping
from typing import Any

from macromicro.annotate.types import TypeMatrix

REPLIES = {
    "n_cut": "texts cut before the tagger read them",
    "n_malformed": "replies of the tagger that were no list",
    "n_malformed_again": "texts without tags: the second reply was none either",
    "n_empty": "texts without tags: the list was empty",
    "n_failed": "texts without tags: the request failed",
}


def count_replies(report: dict[str, Any]) -> dict[str, int]:
    """What became of the texts that a language model was asked about; nothing for other annotators."""
    return {words: report[name] for name, words in REPLIES.items() if name in report}


TOO_MUCH_CUT = 0.05
"""Share of word pieces that may be cut before the texts are embedded without a word about it."""


def count_embedded(report: dict[str, Any]) -> dict[str, str]:
    """How many texts and word pieces were cut before the texts were embedded; nothing where none were embedded."""
    if "embedded" not in report:
        return {}
    found = report["embedded"]
    counts = {
        "texts cut before embedding": ("n_cut", "n_texts"),
        "word pieces not embedded": ("n_pieces_cut", "n_pieces"),
    }
    return {
        words: f"{found[part]:,} of {found[whole]:,} ({found[part] / max(found[whole], 1):.1%})"
        for words, (part, whole) in counts.items()
    }


def share_cut(embedded: Mapping[str, int]) -> float:
    """Share of the word pieces of all texts that was cut before they were embedded (`embed.count_cut`)."""
    return embedded["n_pieces_cut"] / max(embedded["n_pieces"], 1)


def judge_cut(report: dict[str, Any]) -> str:
    """A sentence on what the embeddings do not know of the texts; empty where no text was embedded."""
    if "embedded" not in report:
        return ""
    found = report["embedded"]
    share = share_cut(found)
    limit = f"embed.max_tokens={found['max_tokens']}"
    if share <= TOO_MUCH_CUT:
        return f"The embeddings have read all but {share:.1%} of the word pieces (cut at {limit})."
    return (
        f"MIND: {share:.0%} of all word pieces were not embedded, the ends of {found['n_cut']:,} of "
        f"{found['n_texts']:,} texts. What is made of embeddings here is about how texts begin. Raise {limit}."
    )


def count_steps(types: TypeMatrix) -> dict[str, Any]:
    """Noise of topics, replies and steps of tags, bands of tokens: name to number or text; empty if not recorded."""
    report = types.report
    if "noise_share" in report:
        noise = f"{report['n_noise']:,} ({report['noise_share']:.1%})"
        return {"texts in no topic (noise)": noise, **count_embedded(report)}
    if "bands" in report:
        return {
            f"tokens, {name}": f"{band['n_distinct']:,} tokens, {band['share']:.1%} of all occurrences"
            for name, band in report["bands"].items()
        }
    steps = report.get("steps", [])
    tags = {f"tags, {step['step']}": f"{step['n_tags_in']:,} to {step['n_tags_out']:,}" for step in steps}
    return {**count_replies(report), **tags}
