"""The command `plan` through its entry point, on a small study."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

MACROMICRO = Path(sys.executable).parent / "macromicro"
CARD = ("--gpu", "RTX 4090")


def plan(*arguments, cwd, **variables):
    known = {name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY", "HF_TOKEN")}
    return subprocess.run(
        [MACROMICRO, "plan", *arguments], cwd=cwd, capture_output=True, text=True, env={**known, **variables}
    )


def change(folder, **sections):
    path = folder / "params" / "tiny.yaml"
    preset = yaml.safe_load(path.read_text())
    for name, given in sections.items():
        preset[name] = {**preset.get(name, {}), **given}
    path.write_text(yaml.safe_dump(preset))


def test_a_card_by_its_data_sheet(tiny_study):
    done = plan("tiny", *CARD, "--per-hour", "3600", "--json", cwd=tiny_study)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(row["strategy"], row["n_models"], row["n_samples"]) for row in found["models"]] == [
        ("baseline", 1, 40),
        ("response-micro", 2, 80),
    ]
    assert found["counts"]["prompts"] == 10
    assert found["counts"]["tokens to generate, at most"] == 4 * 10 * 4
    assert found["counts"]["tokens to train"] == pytest.approx(120 * found["counts"]["tokens of a sample"], abs=10)
    assert found["model"]["parameters"] == 400 * 32 + 4 * 32 * 32 + 3 * 32 * 96 + 2 * 32 + 32
    assert found["time"]["money"] == pytest.approx(found["time"]["hours"] * 3600, rel=0.01, abs=2)
    assert all(check["holds"] for check in found["checks"])
    assert not (tiny_study / "outputs").exists()


def test_this_machine_is_measured(tiny_study):
    done = plan("tiny", cwd=tiny_study)
    assert done.returncode == 0, done.stderr
    assert "5_finetune x 2" in done.stdout
    assert "tokens trained a second" in done.stdout
    assert "licences of the samples: not stated" in done.stdout


def test_a_model_that_is_too_large_is_refused_with_a_way_out(tiny_study):
    done = plan("tiny", *CARD, "--parameters", "7e9", cwd=tiny_study)
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("CANNOT training needs 10")]
    assert "RTX 4090" in line
    assert line.endswith(": 22.4 GiB -> use finetune.method=lora, or more finetune.processes")
    assert "hours" not in done.stdout


def test_a_model_that_cannot_be_looked_at_is_a_line(tiny_study):
    change(tiny_study, base_model={"source": "./none"})
    done = plan("tiny", *CARD, cwd=tiny_study)
    assert done.returncode == 1
    assert "cannot be looked at" in done.stdout
    assert "give --parameters 7e9" in done.stdout
    assert "models to train: 3" in done.stdout


def test_a_server_elsewhere_needs_a_key_that_is_never_shown(tiny_study):
    change(tiny_study, judge={"kinds": ["llm"]}, judge_llm={"model": "m", "base_url": "https://example.org/v1"})
    done = plan("tiny", *CARD, cwd=tiny_study)
    assert done.returncode == 1
    assert "OPENAI_API_KEY is not set -> set OPENAI_API_KEY in the environment" in done.stdout
    done = plan("tiny", *CARD, cwd=tiny_study, OPENAI_API_KEY="sk-secret")
    assert done.returncode == 0, done.stdout
    assert "judge calls: 60" in done.stdout
    assert "sk-secret" not in done.stdout + done.stderr
    change(tiny_study, judge_llm={"base_url": "http://localhost:8000/v1"})
    assert plan("tiny", *CARD, cwd=tiny_study).returncode == 0


def test_licences_too_few_samples_and_long_texts_are_named(tiny_study):
    rows = [
        {
            "instruction": f"What is {n}?",
            "response": " ".join(str(n * k + 1) for k in range(200 if n % 5 == 0 else 2)),
            "licence": "CC-BY-NC-4.0",
        }
        for n in range(100)
    ]
    (tiny_study / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = plan("tiny", *CARD, cwd=tiny_study)
    assert done.returncode == 1
    assert "for non-commercial use only: CC-BY-NC-4.0" in done.stdout
    assert "CANNOT select.sizes: 40 must be at most the samples of a seed" in done.stdout
    assert "CANNOT at most 5% of samples may be longer than finetune.max_tokens=256" in done.stdout
    (tiny_study / "corpus.jsonl").write_text("[]\n" * 50)
    done = plan("tiny", *CARD, cwd=tiny_study)
    assert done.returncode == 1
    assert "CANNOT the corpus must be readable" in done.stdout
    assert "corpus.jsonl, line 1" in done.stdout


def test_bad_input_is_one_line(tiny_study):
    done = plan("tiny", "--gpu", "H1000", cwd=tiny_study)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such card in the table" in done.stderr
    done = plan("tyni", cwd=tiny_study)
    assert done.returncode == 1
    assert "no preset 'tyni'" in done.stderr
    change(tiny_study, select={"size": [3]})
    done = plan("tiny", cwd=tiny_study)
    assert done.returncode == 1
    assert "select.size" in done.stderr
    assert "Traceback" not in done.stderr
