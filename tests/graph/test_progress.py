"""The lines that a person sees while a study runs."""

from collections import Counter

from snakemake_logger_plugin_macromicro import readable, time_left


def test_no_estimate_before_the_first_cell():
    assert time_left(Counter(a=3), {}, 2) is None


def test_each_rule_counts_with_its_own_mean_and_unknown_ones_with_the_overall_mean():
    seconds = {"a": [10.0, 20.0], "b": [60.0]}
    assert time_left(Counter(a=2, b=1, c=1), seconds, 1) == 2 * 15 + 60 + 30
    assert time_left(Counter(a=2, b=1, c=1), seconds, 2) == (2 * 15 + 60 + 30) / 2


def test_more_cores_than_cells_do_not_help():
    assert time_left(Counter(a=1), {"a": [10.0]}, 8) == 10


def test_durations_are_readable():
    assert [readable(s) for s in (0.4, 89, 90, 3570, 3600)] == ["0 s", "89 s", "2 min", "1 h 00 min", "1 h 00 min"]
