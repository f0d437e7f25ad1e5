"""Does the diversity of a fixed-size fine-tuning dataset make a better model, and at which granularity?

For programs: `import macromicro as mm` gives `mm.read`, `mm.annotate`, `mm.select`, `mm.measure` and `mm.compare`, the
functions of the room `api`. Nothing is imported before one of them is called.
"""

from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macromicro.api import Measured, Samples, Selection, annotate, compare, measure, read, select

__all__ = ["Measured", "Samples", "Selection", "annotate", "compare", "measure", "read", "select"]


class CallableRoom(ModuleType):
    """A room that has the name of a function of the room `api`: called, it is that function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        return signature(self._function())

    def _function(self) -> Any:
        return getattr(import_module("macromicro.api"), self.__name__.rpartition(".")[2])


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'macromicro' has no attribute {name!r}")
    return getattr(import_module("macromicro.api"), name)
