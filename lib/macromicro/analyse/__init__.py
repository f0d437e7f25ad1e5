"""Scores to statements: slopes, intervals, corrections, and the paper beside them.

In comes a table with a row per model, out go slopes, lines, correlations, and sentences that say what differs from
zero. Start reading at `stats`.
"""
