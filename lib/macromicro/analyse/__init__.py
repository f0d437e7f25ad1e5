"""Scores to statements: slopes, intervals, corrections, and the paper beside them."""
