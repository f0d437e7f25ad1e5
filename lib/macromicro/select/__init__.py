"""Types to datasets: the peel, the even draw, and their rivals.

In come a type matrix, levels and sizes, out go the rows of every dataset and what each of them covers. Start reading
at `select`.
"""

import sys

from macromicro import CallableRoom

sys.modules[__name__].__class__ = CallableRoom  # `macromicro.select(...)` is the function of the room `api`
