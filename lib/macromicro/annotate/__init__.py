"""Texts to types: topics, tags or tokens, always as one sparse matrix.

In come texts with their ids, out go a matrix of samples and types, and what was left out on the way. Start reading at
`annotate`.
"""
