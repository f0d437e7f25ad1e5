"""Answers to verdicts to scores.

In come the answers of models and of the one baseline they are held against, out go a verdict per prompt and a score
with its interval per model. Start reading at `score`.
"""
