"""Texts to types: topics, tags or tokens, always as one sparse matrix."""
