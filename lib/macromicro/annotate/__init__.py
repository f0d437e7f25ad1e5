"""Texts to types: topics, tags or tokens, always as one sparse matrix.

In come texts with their ids, out go a matrix of samples and types, and what was left out on the way. Start reading at
`annotate`.
"""

import sys

from macromicro import CallableRoom

sys.modules[__name__].__class__ = CallableRoom  # `macromicro.annotate(...)` is the function of the room `api`
