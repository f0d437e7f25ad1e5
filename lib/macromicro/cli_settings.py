"""Settings of the command line: the sections of a preset that concern types, changed one key at a time."""

from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import ValidationError

from macromicro.settings import (
    EmbedParams,
    Granularity,
    Section,
    TagLlmParams,
    TagsParams,
    TokensParams,
    TopicsParams,
    TypesParams,
)


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


def list_settings(settings: TypeSettings, granularity: Granularity) -> dict[str, Any]:
    """`section.key` and value of every setting that concerns types of a granularity."""
    held = settings.model_dump()
    sections = {"macro": ["embed", "topics"], "meso": ["embed", "tags"], "micro": ["tokens"]}[granularity]
    return {f"{name}.{key}": value for name in [*sections, "types"] for key, value in held[name].items()}
