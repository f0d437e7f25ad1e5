"""Settings of the command line: the sections of a preset that concern types, changed one key at a time."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import yaml
from pydantic import ValidationError

from macromicro.study.sections import (
    EmbedParams,
    Granularity,
    Section,
    TagLlmParams,
    TagsParams,
    TokensParams,
    TopicsParams,
    TypesParams,
)

HOW_TO_REACH = frozenset(f"tag_llm.{key}" for key in ("base_url", "n_workers", "max_retries", "timeout"))


class TypeSettings(Section):
    """How texts get their types; the same sections, keys and defaults as in `params/*.yaml`."""

    embed: EmbedParams = EmbedParams()
    topics: TopicsParams = TopicsParams()
    tags: TagsParams = TagsParams()
    tag_llm: TagLlmParams = TagLlmParams()
    tokens: TokensParams = TokensParams()
    types: TypesParams = TypesParams()


def read_settings(assignments: Iterable[str]) -> TypeSettings:
    """Settings from the likes of `tokens.low=5`, over the defaults.

    Raises ValueError naming the assignment and the rule that it breaks.

    >>> read_settings(["tokens.low=5"]).tokens.low
    5
    """
    changed: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and section and key):
            raise ValueError(f"--set {assignment}: expected section.key=value, such as tokens.low=5")
        try:
            changed.setdefault(section, {})[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"--set {assignment}: {value!r} is not a value") from None
    try:
        return TypeSettings.model_validate(changed)
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(str(step) for step in mistake["loc"])
        rule = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            rule = f"no such setting; sections are {', '.join(TypeSettings.model_fields)}"
            known = getattr(TypeSettings(), str(mistake["loc"][0]), None)
            if isinstance(known, Section):
                rule = f"no such setting; {mistake['loc'][0]} has {', '.join(type(known).model_fields)}"
        raise ValueError(f"--set {place}: {rule}") from None


def list_settings(settings: TypeSettings, granularity: Granularity, *, tokenizer: str) -> dict[str, Any]:
    """`section.key` and value of every setting that made types of a granularity.

    Parameters: tokenizer, as given on the command line: `words` has the last word about the unit.
    """
    sections = {"macro": ["embed", "topics"], "meso": ["embed", "tags"], "micro": ["tokens"]}[granularity]
    if granularity == "meso" and settings.tags.tagger == "llm":
        sections = [*sections, "tag_llm"]
    listed = list_sections(settings, [*sections, "types"])
    if granularity == "micro" and tokenizer == "words":
        listed["tokens.unit"] = "word"
    return listed


def describe_choice(method: str, level: int, settings: TypeSettings) -> dict[str, Any]:
    """What else determines which samples a method of `select` chooses, apart from the types."""
    if method == "even":
        return {"diversity level": f"{level} %"}
    if method == "longest":
        return {"length": "in words (runs of letters and digits)"}
    return list_sections(settings, ["embed"]) if method in ("k-center", "facility-location") else {}


def list_sections(settings: TypeSettings, sections: Iterable[str]) -> dict[str, Any]:
    """`section.key` and value of all settings of the sections but those that only say how a server is reached."""
    held = settings.model_dump()
    values = {f"{name}.{key}": value for name in sections for key, value in held[name].items()}
    shown = {name: value for name, value in values.items() if name not in HOW_TO_REACH}
    return {name: name_only(value) if isinstance(value, str) else value for name, value in shown.items()}


def name_only(value: str) -> str:
    """The name of a file or folder given by an absolute or home path; any other text as it is.

    >>> name_only("/data/models/my-model"), name_only("org/my-model")
    ('my-model', 'org/my-model')
    """
    return PurePath(value).name if value.startswith(("/", "~", "..")) else value
