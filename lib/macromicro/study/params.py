"""Presets: YAML files of `params/`, read into the validated settings of a study before anything runs.

`extends: NAME` takes everything from another preset and overrides the rest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from macromicro.study.dependencies import closest
from macromicro.study.layout import find_root
from macromicro.study.portable import with_places
from macromicro.study.sections import Section
from macromicro.study.settings import Study

SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Study.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The sections of a study's settings by name."""


def load(
    preset: str | Path,
    *,
    corpus: str | None = None,
    changes: Mapping[str, Any] | None = None,
    check_corpus: bool = True,
) -> Study:
    """Settings of a preset, by name (`smoke`) or path (`params/smoke.yaml`, `outputs/smoke/params.yaml`).

    Parameters: corpus, a corpus file that replaces `corpus.path` (and makes the source `file`); changes, values of
    single settings by dotted name, such as `{"tokens.low": 20}`; check_corpus, whether the corpus file has to be there,
    which a study that is only shown does not read.
    Raises FileNotFoundError if the preset is not there, ValueError naming file, key, value and rule if it is not valid.
    """
    path = preset_path(preset)
    settings = _read(path)
    if isinstance(settings.get("strategies"), dict):  # null takes an inherited strategy away
        settings["strategies"] = {name: given for name, given in settings["strategies"].items() if given is not None}
    if corpus:
        settings.setdefault("corpus", {}).update(source="file", path=str(corpus), packages=[])
    if changes:
        settings = change(settings, changes)
    try:
        study = Study.model_validate(settings)
    except ValidationError as error:
        raise ValueError(_explain(path, error)) from None
    if check_corpus and not (study.out.is_laid_out and path.resolve() == study.out.params.resolve()):
        _check_corpus_file(study, path)
    return study


def change(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with other values for some, by dotted name: `section.key`, or `strategies.NAME.section.key`.

    Raises ValueError, with the nearest known name, if there is no such setting.
    """
    known = [f"{name}.{key}" for name, section in SECTIONS.items() for key in section.model_fields] + ["seed"]
    for name, value in changes.items():
        steps = name.split(".")
        if name not in known and steps[0] != "strategies":
            raise ValueError(f"no setting {name!r}; the nearest is {closest(name, known)!r}")
        for step in reversed(steps):
            value = {step: value}
        settings = _merge(settings, value)
    return settings


def dump(study: Study) -> str:
    """The settings as a complete preset in YAML, such that loading it gives the same study."""
    return yaml.safe_dump(study.model_dump(), sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises ValueError naming the file if it is not YAML, or gives a key twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from None


def preset_path(preset: str | Path) -> Path:
    """File of a preset given by name or path. Raises FileNotFoundError that lists the known names."""
    folder = find_root() / "params"
    if str(preset).endswith((".yaml", ".yml")):
        for candidate in (Path(preset), find_root() / preset):
            if candidate.is_file():
                return candidate
    elif (folder / f"{preset}.yaml").is_file():
        return folder / f"{preset}.yaml"
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise FileNotFoundError(f"no preset {str(preset)!r}: give a YAML file or one of {known}")


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Settings of a YAML file, on top of those of the preset it extends."""
    if path in seen:
        raise ValueError(f"{path}: extends goes in a circle: {' -> '.join(p.stem for p in (*seen, path))}")
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: a preset must be a mapping of sections, not {type(settings).__name__}")
    settings = with_places(settings, path)
    parent = settings.pop("extends", None)
    if parent is None:
        return settings
    return _merge(_read(preset_path(parent), (*seen, path)), settings)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, section by section."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _merge(below[key], value) if both else value
    return merged


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is given twice ({node.start_mark})")
        return super().construct_mapping(node, deep)


def _explain(path: Path, error: ValidationError) -> str:
    """One line per mistake: file, key, value and rule."""
    lines = []
    for mistake in error.errors():
        key = ".".join(str(step) for step in mistake["loc"]) or "(whole file)"
        rule = mistake["msg"].removeprefix("Value error, ")
        known = "; no such setting" if mistake["type"] == "extra_forbidden" else ""
        secret = key.endswith("base_url") or mistake["type"] == "extra_forbidden"  # a password, or somebody's api_key
        hidden = isinstance(mistake["input"], dict) or secret
        shown = "" if hidden else f" (given: {mistake['input']!r})"
        lines.append(f"{path}: {key}: {rule}{known}{shown}")
    return "\n".join(lines)


def _check_corpus_file(study: Study, path: Path) -> None:
    """Refuse a corpus file that is not there, or that has fewer rows than a dataset needs."""
    corpus = study.corpus
    if corpus.source != "file":
        return
    if not corpus.path:
        raise ValueError(f"{path}: corpus.path: source='file' needs a file; give CORPUS=... to make, or set it here")
    file = Path(corpus.path)
    if not file.is_absolute():
        file = find_root() / file
    if not file.is_file():
        raise ValueError(f"{path}: corpus.path: no such file: {corpus.path!r}")
    n_rows = _most_rows(file)
    for size in (size for name in study.strategies for size in study.strategy(name).select.sizes):
        if n_rows is not None and size > n_rows:
            raise ValueError(f"{path}: select.sizes: size={size} must be at most the {n_rows} rows of {corpus.path}")


def _most_rows(file: Path) -> int | None:
    """Upper bound on the rows of a corpus file, read cheaply; None where only parsing would tell."""
    if file.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(file).num_rows
    if file.suffix in {".jsonl", ".csv"}:
        with file.open("rb") as lines:
            return sum(1 for _ in lines)
    return None
