"""What of a study may leave the machine: no path of it, no name of a user, no key.

Settings are cut to names before they are written down. Where a study needs the whole path, to run, it is kept beside
the studies and not in them (`keep_places`), so that the folder of a study can be zipped and given away.
"""

import os
import re
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from macromicro.study.files import name_only, write_aside
from macromicro.study.layout import find_root
from macromicro.study.settings import Study

PLACES = ".places"
PATHS = (
    *(("corpus", "path"), ("corpus", "eval_file"), ("base_model", "source"), ("embed", "model")),
    *(("tokens", "tokenizer"), ("tag_llm", "model"), ("judge_llm", "model")),
)
"""Settings that may hold a path; a strategy may set a tokenizer of its own besides."""
SECRETS = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SHORTEST_SECRET = 8  # a shorter one is no secret, and stands in ordinary words


def portable(study: Study) -> Study:
    """The study with absolute paths cut to their names."""
    return Study.model_validate(cut_paths(study.model_dump()))


def cut_paths(settings: Mapping[str, Any], *, marked: bool = False) -> dict[str, Any]:
    """Settings, or some sections of them, with absolute paths cut to their names.

    Parameters: marked, with a mark of the whole path behind the name, so that two files of one name are told apart.
    """
    cut = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for section, key in PATHS:
        if value := cut.get(section, {}).get(key):
            cut[section][key] = _cut(value, marked)
    for name, strategy in cut.get("strategies", {}).items():
        if value := strategy["tokens"].get("tokenizer"):
            cut["strategies"][name] = {**strategy, "tokens": {**strategy["tokens"], "tokenizer": _cut(value, marked)}}
    return cut


def _cut(value: str, marked: bool) -> str:
    name = name_only(value)
    return f"{name} ({blake2b(value.encode(), digest_size=4).hexdigest()})" if marked and name != value else name


def keep_places(study: Study) -> None:
    """Write the whole paths of a study's settings beside the studies of this checkout, or remove what is there."""
    places = _differences(study.model_dump(), portable(study).model_dump())
    path = _places_of(study.out.root)
    if not places:
        path.unlink(missing_ok=True)
        return
    with write_aside(path) as aside:
        aside.write_text(yaml.safe_dump(places, allow_unicode=True), encoding="utf-8")


def with_places(settings: dict[str, Any], preset: Path) -> dict[str, Any]:
    """The settings of a preset, with whole paths where it is the `params.yaml` of a study that ran in this checkout."""
    folder = preset.resolve().parent
    path = _places_of(folder)
    if preset.name != "params.yaml" or folder.parent != find_root() / "outputs" or not path.is_file():
        return settings
    return _restored(settings, yaml.safe_load(path.read_text(encoding="utf-8")))


def keep_place(path: Path) -> str:
    """A name for a file or folder that a study's own files may hold; the whole path is kept beside the studies."""
    name = _cut(str(path.resolve()), marked=True)
    with write_aside(_place_of(name)) as aside:
        aside.write_text(str(path.resolve()), encoding="utf-8")
    return name


def find_place(name: str) -> Path:
    """The path that `keep_place` gave a name.

    Raises FileNotFoundError if it is not there, as in a study that was computed elsewhere.
    """
    kept = _place_of(name)
    path = Path(kept.read_text(encoding="utf-8")) if kept.is_file() else None
    if path is None or not path.exists():
        raise FileNotFoundError(f"{name} must be on this machine, but it is not known here or has gone")
    return path


def _place_of(name: str) -> Path:
    return find_root() / "outputs" / PLACES / f"{name}.txt"


def _restored(settings: dict[str, Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the whole paths of those that still are their names."""
    found = dict(settings)
    for key, place in places.items():
        if isinstance(place, dict) and isinstance(found.get(key), dict):
            found[key] = _restored(found[key], place)
        elif isinstance(place, str) and found.get(key) == name_only(place):
            found[key] = place
    return found


def _places_of(root: Path) -> Path:
    return root.parent / PLACES / f"{root.name}.yaml"


def _differences(whole: Mapping[str, Any], cut: Mapping[str, Any]) -> dict[str, Any]:
    """What `whole` holds that `cut` does not, nested alike."""
    different = {key: value for key, value in whole.items() if value != cut[key]}
    return {
        key: _differences(value, cut[key]) if isinstance(value, dict) else value for key, value in different.items()
    }


def redact(text: str) -> str:
    """The text without keys of the environment, and with the folders of this machine cut.

    The checkout becomes `.`, the environment of Python `.venv`, the home folder `~`, a scratch folder `tmp`.
    """
    for name in SECRETS:
        if len(key := os.environ.get(name, "")) >= SHORTEST_SECRET:
            text = text.replace(key, "***")
    for folder, name in _folders():
        text = re.sub(rf"{re.escape(folder)}(?![\w.-])", name, text)
    return text


def _folders() -> list[tuple[str, str]]:
    """Folders of this machine and what they are called elsewhere, the longest first."""
    root = find_root()
    named = [(root, "."), (Path(sys.prefix), ".venv"), (Path(sys.base_prefix), "python"), (Path.home(), "~")]
    named += [(Path(value), "tmp") for name in ("TMPDIR", "JUPYTER_RUNTIME_DIR") if (value := os.environ.get(name))]
    both = {str(form): name for path, name in named for form in (path, path.resolve())}
    # A folder such as /usr stands in words of other places as well.
    deep = [(folder, name) for folder, name in both.items() if len(Path(folder).parts) > 1 and folder != "/usr"]
    return sorted(deep, key=lambda pair: -len(pair[0]))
