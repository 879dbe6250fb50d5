"""The smallest change that would have flipped a model's decision.

    import ifonly
    ifonly.explain(model, row, data)

Importing this imports nothing else: what is asked for is imported when it is.
"""

from __future__ import annotations

from importlib import import_module

_PLACES = {
    "explain": "asking",
    **dict.fromkeys(("menu", "MenuOfLevers", "SetOfLevers"), "menus"),
    **dict.fromkeys(("common", "CommonChange", "CommonChanges"), "many"),
    **dict.fromkeys(("reasons", "DecisionReasons", "ForcingReadings", "MainReading"), "why"),
    "Change": "change",
    **dict.fromkeys(("Explanation", "Explanations", "Outcome"), "explanation"),
    "NotAModel": "scoring",
    **dict.fromkeys(("AsyncClient", "Client"), "client"),
    **dict.fromkeys(("BulkExplainer", "BulkOptions"), "service.bulk"),
}
"""Module of each name; their types are in ``__init__.pyi``."""

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"ifonly.{_PLACES[name]}"), name)
    # Found by itself from now on.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
