"""environment.yml, pyproject.toml and requirements.lock name the same packages, and the lock is what is installed."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN_ENVIRONMENT = {"vllm"}


def pins() -> dict[str, str]:
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in LINES}


def declared() -> list[Requirement]:
    extras = [names for extra, names in PROJECT["optional-dependencies"].items() if extra not in OWN_ENVIRONMENT]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(text for names in extras for text in names)]]


def test_the_lock_holds_exact_pins_torch_first_each_once():
    for line in LINES:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), f"{line!r} is not an exact pin"
    assert LINES[0].startswith("torch==")
    assert len(pins()) == len(LINES), "a package is pinned twice"
    assert LINES[1:] == sorted(LINES[1:], key=str.upper)


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_what_the_project_declares_is_pinned_as_it_allows(requirement):
    version = pins().get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is in pyproject.toml but not in requirements.lock"
    assert requirement.specifier.contains(version), f"{requirement} does not allow the pin {version}"


def test_the_lock_holds_all_that_its_packages_need():
    environment = {"extra": "", "python_version": "3.11", "python_full_version": "3.11.0"}
    for name in pins():
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.name.startswith("nvidia-") or (needed.marker and not needed.marker.evaluate(environment)):
                continue
            version = pins().get(canonicalize_name(needed.name))
            assert version is not None, f"{name} needs {needed.name}, which requirements.lock does not hold"


def test_every_pin_is_what_is_installed():
    installed = {name: metadata.version(name).split("+")[0] for name in pins()}
    assert installed == pins()


def test_conda_users_get_the_same_python_and_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    (python,) = [entry.split("=")[1] for entry in conda if entry.startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python}.0")
    assert pip == [LINES[0], "-r requirements.lock"]


def test_vllm_is_an_extra_of_its_own():
    assert PROJECT["optional-dependencies"]["vllm"] == ["vllm"]
    assert "vllm" not in pins()


def test_the_makefile_installs_torch_first_and_stamps_last():
    recipe = (ROOT / "Makefile").read_text().split("$(VENV)/.installed: ")[1].strip().splitlines()
    order = [next(i for i, line in enumerate(recipe) if word in line) for word in ("^torch==", "-r requirements.lock")]
    assert order == sorted(order)
    assert recipe[-1].strip() == "touch $@"
