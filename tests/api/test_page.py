"""What the page for programs shows can be run."""

import re
from contextlib import chdir

from macromicro.study.layout import find_root


def test_the_code_of_the_page_runs(tmp_path):
    page = (find_root() / "book" / "pages" / "programs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    held = {}
    with chdir(tmp_path):
        exec(blocks[0], held)
    assert sorted(held["types"].labels) == ["and", "blue", "green", "red", "white"]
    assert len(held["samples"]) == 24 and len(held["half"]) == 6
    assert held["chosen"].table["origin"].value_counts().to_dict() == {"a": 6, "b": 3}
    assert held["compared"].about["n_samples"] == {"one": 24, "two": 9}
    assert (tmp_path / "subset.jsonl.card.md").is_file()
