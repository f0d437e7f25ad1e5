import pandas as pd
import pytest
from huggingface_hub import DatasetCard
from macromicro.select.card import describe_for_hub, save_card

SHIFT = pd.DataFrame([("words", "1", "2", "3")], columns=["measure", "all", "random", "chosen"])


def rows(*licences):
    return pd.DataFrame({"id": [str(i) for i in range(len(licences))], "instruction": "a|b", "response": "c",
                         "source": "web", "licence": licences})  # fmt: skip


@pytest.mark.parametrize(
    ("licences", "metadata"),
    [
        (["MIT", "MIT"], {"license": "mit"}),
        (["MIT", "CC-BY-4.0"], {"license": ["cc-by-4.0", "mit"]}),
        (["MIT", ""], {"license": "other", "license_name": "mixed"}),
        (["Home made (2)", "Home made (2)"], {"license": "other", "license_name": "home-made-2"}),
        (["ISC", "ISC"], {"license": "isc"}),
        (["", ""], {"license": "unknown"}),
    ],
)
def test_licences_are_those_of_the_rows(licences, metadata):
    found = describe_for_hub(rows(*licences), "x.jsonl")
    assert {name: found[name] for name in found if name.startswith("license")} == metadata


@pytest.mark.parametrize(
    ("n", "size"), [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10_000, "10K<n<100K"), (1_000_000, "n>1M")]
)
def test_size_categories_of_the_hub(n, size):
    assert describe_for_hub(pd.DataFrame({"licence": ["MIT"] * n}), "x.jsonl")["size_categories"] == [size]


def test_the_hub_reads_the_card(tmp_path):
    facts = {"file": "big.jsonl", "samples chosen from": 1234}
    save_card(
        rows("MIT", "", "MIT"), tmp_path / "README.md", data_file="some/where/x.jsonl", made_from=facts,
        made_how={"seed": 0, "set": "a|b"}, coverage={"types covered": 12345}, command="macromicro select big.jsonl",
        columns={"n": [1]}, shift=SHIFT,
    )  # fmt: skip
    card = DatasetCard.load(tmp_path / "README.md")
    assert card.data.license == "other"
    assert card.data.configs == [{"config_name": "default", "data_files": [{"split": "train", "path": "x.jsonl"}]}]
    assert "# x\n\n3 instruction/response samples, chosen from big.jsonl (1,234 samples)" in card.text
    assert "| types covered | 12,345 |" in card.text
    assert "| set | a\\|b |" in card.text
    assert "| n | int64 |" in card.text
    assert "|  | all | random draw | chosen |\n|---|---|---|---|\n| words | 1 | 2 | 3 |" in card.text
    assert "| web | MIT | 2 |\n| web | not stated | 1 |" in card.text
    assert "some/where" not in card.content


def test_sources_of_equally_many_samples_stand_in_the_order_of_their_licences(tmp_path):
    facts = {"file": "big.jsonl", "samples chosen from": 9}
    how = {
        "data_file": "x.jsonl",
        "made_from": facts,
        "made_how": {},
        "coverage": {},
        "command": "x",
        "columns": {},
        "shift": SHIFT,
    }
    save_card(rows("MIT", "Apache-2.0"), tmp_path / "README.md", **how)
    assert "| web | Apache-2.0 | 1 |\n| web | MIT | 1 |" in (tmp_path / "README.md").read_text()


def test_a_card_without_file_or_coverage(tmp_path):
    facts = {"file": "standard input", "samples chosen from": 3}
    save_card(rows("MIT"), tmp_path / "c.md", data_file="-", made_from=facts, made_how={}, coverage={}, command="x",
              columns={}, shift=SHIFT)  # fmt: skip
    card = DatasetCard.load(tmp_path / "c.md")
    assert "configs" not in card.data.to_dict()
    assert "no coverage is known" in card.text
