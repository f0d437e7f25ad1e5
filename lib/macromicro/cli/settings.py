"""Settings of the command line: the sections of a preset that concern types, changed one key at a time."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from macromicro.study.files import name_only
from macromicro.study.sections import HOW_TO_REACH, Granularity, Section, TypeSettings
from macromicro.study.settings import SECTIONS_OF


def read_settings(assignments: Iterable[str], *, tokenizer: str | None = None) -> TypeSettings:
    """Settings from the likes of `tokens.low=5`, over the defaults.

    Parameters: tokenizer, as given on the command line: `words` is the unit `bare-word`.
    Raises ValueError naming the assignment and the rule that it breaks.

    >>> read_settings(["tokens.low=5"]).tokens.low
    5
    """
    changed = _assigned(assignments)
    if tokenizer == "words" and changed.setdefault("tokens", {}).setdefault("unit", "bare-word") != "bare-word":
        unit = changed["tokens"]["unit"]
        raise ValueError(f"--set tokens.unit={unit}: --tokenizer words is the unit 'bare-word'; give one of the two")
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


def read_sections(assignments: Iterable[str], sections: Mapping[str, type[Section]]) -> dict[str, Any]:
    """Other sections by name, each with what the likes of `judge_llm.model=NAME` set over its defaults.

    Raises ValueError naming the assignment and the rule that it breaks.
    """
    changed = _assigned(assignments)
    if unknown := sorted(set(changed) - set(sections)):
        raise ValueError(f"--set {unknown[0]}: no such section; sections are {', '.join(sections)}")
    read = {}
    for name, section in sections.items():
        try:
            read[name] = section.model_validate(changed.get(name, {}))
        except ValidationError as error:
            mistake = error.errors()[0]
            place = ".".join(map(str, (name, *mistake["loc"])))
            known = f"no such setting; {name} has {', '.join(section.model_fields)}"
            rule = known if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
            raise ValueError(f"--set {place}: {rule}") from None
    return read


def _assigned(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Values by section and key. Raises ValueError if an assignment is none."""
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
    return changed


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
