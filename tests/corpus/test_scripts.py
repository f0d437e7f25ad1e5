"""Scripts without spaces between words are told from others."""

import pandas as pd
import pytest
from macromicro.corpus.scripts import find_unspaced, lacks_spaces


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


def test_one_character_is_enough_to_need_a_dictionary():
    texts = ["", "봄이 왔어요", "an é ñ", "a 春 day", "ไทย", "カ", "ひ", "ລາວ", "ខ្មែរ", "မြန်မာ", "。「」ー"]
    assert find_unspaced(texts).tolist() == [False] * 3 + [True] * 7 + [False]
