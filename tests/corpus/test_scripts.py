"""Scripts without spaces between words are told from others."""

import pandas as pd
import pytest
from macromicro.corpus.scripts import lacks_spaces


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
