"""How diverse a set of texts is.

In come texts, their tokens and embeddings, out go the paper's seven metrics and four more, with intervals. Start
reading at `metrics`.
"""

import sys

from macromicro import CallableRoom

sys.modules[__name__].__class__ = CallableRoom  # `macromicro.measure(...)` is the function of the room `api`
