"""How diverse a set of texts is.

In come texts, their tokens and embeddings, out go the paper's seven metrics and four more, with intervals. Start
reading at `metrics`.
"""
