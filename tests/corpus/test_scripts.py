"""Scripts without spaces between words are told from others."""

import pandas as pd
import pytest
from macromicro.corpus.scripts import count_scripts, find_unspaced, lacks_spaces


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("春天来了，花儿开了。", True),
        ("ฤดูใบไม้ผลิมาถึงแล้ว", True),
        ("春の花が咲きました", True),
        ("봄이 왔어요", False),
        ("Весна пришла", False),
        ("جاء الربيع", False),
        ("Spring (春) has come to the town", False),
        ("", False),
    ],
)
def test_scripts(text, lacks):
    assert lacks_spaces([text] * 500) == lacks
    assert lacks_spaces(pd.Series([text] * 500)) == lacks
    assert not lacks_spaces([text])


@pytest.mark.parametrize("order", [1, -1])
def test_the_share_is_that_of_all_letters_in_any_order(order):
    spaced, unspaced = ["Spring has come"] * 3000, ["春天来了"]  # 13 letters each, 4 each
    enough = int(3000 * 13 * 0.3 / 0.7 / 4)
    assert not lacks_spaces(pd.Series((spaced + unspaced * enough)[::order]))
    assert lacks_spaces(pd.Series((spaced + unspaced * (enough + 1))[::order]))


def test_one_character_is_enough_to_need_a_dictionary():
    texts = ["", "봄이 왔어요", "an é ñ", "a 春 day", "ไทย", "カ", "ひ", "ລາວ", "ខ្មែរ", "မြန်မာ", "。「」ー"]
    assert find_unspaced(texts).tolist() == [False] * 3 + [True] * 7 + [False]


def test_letters_are_counted_by_script():
    texts = ["Añb, 12!", "春天。", "Весна", "봄", "מ", "\U0001d400", "ª"]
    assert count_scripts(texts) == {"Latin": 4, "Han": 2, "Cyrillic": 5, "Hangul": 1, "Hebrew": 1, "other": 1}
    assert count_scripts(texts * 2000)["Cyrillic"] == 10_000  # more than a batch
    assert count_scripts(["", "1 + 1"]) == {}
    assert count_scripts(["a\ud800"]) == {"Latin": 1}
