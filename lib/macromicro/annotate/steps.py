"""What an annotator kept and left out, in words, from the report of its type matrix."""

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


def count_steps(types: TypeMatrix) -> dict[str, Any]:
    """Noise of topics, replies and steps of tags, bands of tokens: name to number or text; empty if not recorded."""
    report = types.report
    if "noise_share" in report:
        return {"texts in no topic (noise)": f"{report['n_noise']:,} ({report['noise_share']:.1%})"}
    if "bands" in report:
        return {
            f"tokens, {name}": f"{band['n_distinct']:,} tokens, {band['share']:.1%} of all occurrences"
            for name, band in report["bands"].items()
        }
    steps = report.get("steps", [])
    tags = {f"tags, {step['step']}": f"{step['n_tags_in']:,} to {step['n_tags_out']:,}" for step in steps}
    return {**count_replies(report), **tags}
