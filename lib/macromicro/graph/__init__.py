"""Which cells a study has, whether each is done, and how one is computed.

In come a study's settings, out go executed notebooks with a manifest each. Start reading at `cells`.
"""
