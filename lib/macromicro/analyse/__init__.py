"""Scores to statements: slopes, intervals, verdicts, and the paper beside them.

In come the verdicts and a table with a row per model, out go slopes, curves, correlations, and sentences made by a
rule that was written down before. Start reading at `outcome`.
"""
