"""Settings of the command line: the likes of `--set tokens.low=5`."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from macromicro.api.settings import make_settings
from macromicro.study.sections import Section, TypeSettings


def read_settings(assignments: Iterable[str], *, tokenizer: str | None = None) -> TypeSettings:
    """Settings from the likes of `tokens.low=5`, over the defaults.

    Parameters: tokenizer, as in `make_settings`. Raises ValueError naming the assignment and the rule that it breaks.

    >>> read_settings(["tokens.low=5"]).tokens.low
    5
    """
    assigned = {f"{section}.{key}": value for section, key, value in _assigned(assignments)}
    try:
        return make_settings(assigned, tokenizer=tokenizer)
    except ValueError as error:
        raise ValueError(f"--set {error}") from None


def read_sections(assignments: Iterable[str], sections: Mapping[str, type[Section]]) -> dict[str, Any]:
    """Other sections by name, each with what the likes of `judge_llm.model=NAME` set over its defaults.

    Raises ValueError naming the assignment and the rule that it breaks.
    """
    changed: dict[str, dict[str, Any]] = {}
    for name, key, value in _assigned(assignments):
        changed.setdefault(name, {})[key] = value
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


def _assigned(assignments: Iterable[str]) -> list[tuple[str, str, Any]]:
    """Section, key and value of each. Raises ValueError if an assignment is none."""
    found = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and section and key):
            raise ValueError(f"--set {assignment}: expected section.key=value, such as tokens.low=5")
        try:
            found.append((section, key, yaml.safe_load(value)))
        except yaml.YAMLError:
            raise ValueError(f"--set {assignment}: {value!r} is not a value") from None
    return found
