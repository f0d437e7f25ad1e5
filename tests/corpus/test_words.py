"""Texts to words: a dictionary finds them where there are no spaces, and nothing else changes."""

import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.corpus.scripts import find_unspaced
from macromicro.corpus.words import NOT_IN_WORDS, WHITE_SPACE, split_words

SPACED = "aéßЖд한글ع9_ .,!-\n\u3000。\U0001f642"
UNSPACED = "我喜欢吃苹果春天来了人工智能私は学校ヘ行きますฉันชอบกินขនដែលမြန်မာ"
ANY = st.characters(exclude_categories=["Cs", "Cn"])  # Arrow knows a newer Unicode than Python
TEXTS = st.lists(st.text(st.sampled_from(SPACED + UNSPACED), max_size=30), max_size=6)


def per_text(texts, between=NOT_IN_WORDS):
    words, n_words = split_words(pa.array(texts, pa.string()), between)
    found = iter(words.to_pylist())
    assert n_words.sum() == len(words)
    return [[next(found) for _ in range(n)] for n in n_words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("机器学习是人工智能的一个分支，春天来了。", "机器 学习 是 人工 智能 的 一个 分支 春天 来 了"),
        ("私は毎日学校へ行きます。", "私 は 毎日 学校 へ 行き ます"),
        ("データベースを使う", "データベース を 使う"),
        ("ฉันชอบดื่มน้ำ", "ฉัน ชอบ ดื่ม น้ำ"),
        ("ຂ້ອຍມັກກິນ", "ຂ້ອຍ ມັກ ກິນ"),
        ("ខ្ញុំចូលចិត្ត", "ខ្ញុំ ចូលចិត្ត"),
        ("သို့သွားသည်", "သို့ သွား သည်"),
        ("2024年3月用Python3写代码", "2024 年 3 月 用 Python3 写 代码"),
        ("한국어中文 말", "한국어 中文 말"),
    ],
)
def test_words_of_a_dictionary(text, words):
    assert per_text([text]) == per_text([text], WHITE_SPACE) == [words.split()]


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from(SPACED) | ANY, max_size=30), max_size=6))
def test_texts_with_spaces_are_split_at_what_stands_between_words_and_nowhere_else(texts):
    texts = [text for text in texts if not find_unspaced([text]).any()]
    beside = [*texts, "我喜欢吃苹果"]
    assert per_text(beside, WHITE_SPACE)[:-1] == per_text(texts, WHITE_SPACE) == [text.split() for text in texts]
    assert per_text(beside)[:-1] == per_text(texts) == [_runs(text) for text in texts]


@settings(deadline=None)
@given(TEXTS, st.sampled_from([NOT_IN_WORDS, WHITE_SPACE]))
def test_no_letter_is_lost_and_no_text_changes_another(texts, between):
    found = per_text(texts, between)
    assert found == [per_text([text], between)[0] for text in texts]
    assert [_letters("".join(words)) for words in found] == [_letters(text) for text in texts]
    assert all(words.count("") == 0 for words in found)


def test_a_clause_of_any_length_is_cut():
    assert per_text(["我喜欢吃苹果" * 20_000, "x"]) == [["我", "喜欢", "吃", "苹果"] * 20_000, ["x"]]


def _runs(text):
    is_word = "".join(c if c == "_" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return [word for word in is_word.split(" ") if word]


def _letters(text):
    return re.sub(r"[\W_]", "", text)
