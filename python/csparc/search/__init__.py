"""Find pictures with a sentence or a picture: in memory (`Search`), or in an index on the disk."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csparc.search.export import export_index
    from csparc.search.hits import Hit
    from csparc.search.in_memory import Search
    from csparc.search.index import Index, open_index
    from csparc.search.pictures import open_pictures
    from csparc.search.update import Updated, update_index

# The command line reads this room's choices before it knows whether it will search.
_LATER = {
    "Hit": "csparc.search.hits",
    "Index": "csparc.search.index",
    "Search": "csparc.search.in_memory",
    "Updated": "csparc.search.update",
    "export_index": "csparc.search.export",
    "open_index": "csparc.search.index",
    "open_pictures": "csparc.search.pictures",
    "update_index": "csparc.search.update",
}

__all__ = [
    "Hit",
    "Index",
    "Search",
    "Updated",
    "export_index",
    "open_index",
    "open_pictures",
    "update_index",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        globals()[name] = value = getattr(importlib.import_module(_LATER[name]), name)
        return value
    raise AttributeError(f"module 'csparc.search' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
