"""Settings that concern types, changed one key at a time over their defaults, and which of them made a result."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, get_args

import numpy as np
from pydantic import ValidationError

from macromicro.study.files import name_only
from macromicro.study.sections import HOW_TO_REACH, Granularity, Section, TypeSettings
from macromicro.study.settings import SECTIONS_OF

Settings: TypeAlias = TypeSettings | Mapping[str, Any] | None
"""Settings, or those that differ from the defaults, such as `{"tokens.low": 5}`."""


def make_settings(changes: Settings, *, tokenizer: str | None = None) -> TypeSettings:
    """Settings with the changes, by `section.key`, over the defaults.

    Parameters: tokenizer, as given beside them: `words` is the unit `bare-word`.
    Raises ValueError naming the setting and the rule that it breaks.

    >>> make_settings({"tokens.low": 5}).tokens.low
    5
    """
    if isinstance(changes, TypeSettings):
        return changes
    if not isinstance(changes, Mapping | None):
        raise ValueError(f'settings must be the likes of {{"tokens.low": 5}}, not {type(changes).__name__}')
    nested: dict[str, dict[str, Any]] = {}
    for name, value in (changes or {}).items():
        section, dot, key = name.partition(".")
        if not (dot and section and key):
            raise ValueError(f"{name}: expected section.key, such as tokens.low")
        nested.setdefault(section, {})[key] = value
    if tokenizer == "words" and nested.setdefault("tokens", {}).setdefault("unit", "bare-word") != "bare-word":
        unit = nested["tokens"]["unit"]
        raise ValueError(f"tokens.unit={unit}: tokenizer words is the unit 'bare-word'; give one of the two")
    try:
        return TypeSettings.model_validate(nested)
    except ValidationError as error:
        raise ValueError(_say_rule(error)) from None


def check_choice(name: str, value: Any, known: Any) -> None:
    """Raise ValueError if an argument is none of the words of a Literal."""
    if value not in get_args(known):
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, get_args(known)))}")


def check_whole(name: str, value: Any, most: int | None = None) -> None:
    """Raise ValueError if an argument is no whole number from 0 on, or above `most`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 0 or (most is not None and value > most):
        raise ValueError(f"{name}={value!r} must be a whole number from 0 {'on' if most is None else f'to {most}'}")


def _say_rule(error: ValidationError) -> str:
    """The setting that is wrong first, and the rule."""
    mistake = error.errors()[0]
    rule = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "extra_forbidden":
        rule = f"no such setting; sections are {', '.join(TypeSettings.model_fields)}"
        known = getattr(TypeSettings(), str(mistake["loc"][0]), None)
        if isinstance(known, Section):
            rule = f"no such setting; {mistake['loc'][0]} has {', '.join(type(known).model_fields)}"
    return f"{'.'.join(str(step) for step in mistake['loc'])}: {rule}"


def list_settings(settings: TypeSettings, granularity: Granularity) -> dict[str, Any]:
    """`section.key` and value of every setting that made types of a granularity; the tokenizer is told elsewhere."""
    sections = [*SECTIONS_OF[granularity], "types"]
    if granularity == "meso" and settings.tags.tagger == "llm":
        sections.append("tag_llm")
    listed = list_sections(settings, sections)
    told = {"tokens.tokenizer"} | ({"tokens.revision"} if settings.tokens.revision is None else set())
    return {name: value for name, value in listed.items() if name not in told}


def describe_choice(method: str, level: int, settings: TypeSettings) -> dict[str, Any]:
    """What else determines which samples a method of `select` chooses, apart from the types."""
    if method == "even":
        return {"diversity level": f"{level} %"}
    if method == "longest":
        return {"length": "in words (runs of letters and digits)"}
    return list_sections(settings, ["embed"]) if method in ("k-center", "facility-location") else {}


def list_sections(settings: TypeSettings, sections: Iterable[str]) -> dict[str, Any]:
    """`section.key` and value of all settings of the sections but those that only say how a server is reached."""
    held = settings.model_dump(include=set(sections), exclude={"tag_llm": set(HOW_TO_REACH)})
    values = {f"{name}.{key}": value for name in sections for key, value in held[name].items()}
    return {name: name_only(value) if isinstance(value, str) else value for name, value in values.items()}
