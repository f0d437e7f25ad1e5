"""The repository is found from anywhere inside it."""

import pytest
from macromicro.study.layout import find_root


def test_the_root_is_found_from_below():
    root = find_root()
    assert find_root(root / "lib" / "macromicro") == root


def test_outside_the_repository_the_rule_is_stated(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params/ and notebooks/"):
        find_root(tmp_path)
