"""The functions for programs: read, annotate, select, measure and compare one's own samples.

In come files, DataFrames or datasets, out go samples, types, selections and measures that know what was left out. The
command line is a thin face of it. Start reading at `selection`.
"""

from macromicro.api.annotation import annotate
from macromicro.api.measures import Measured, compare, measure
from macromicro.api.reading import Samples, read
from macromicro.api.selection import Selection, select

__all__ = ["Measured", "Samples", "Selection", "annotate", "compare", "measure", "read", "select"]
