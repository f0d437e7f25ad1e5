"""Answers to verdicts to scores."""
