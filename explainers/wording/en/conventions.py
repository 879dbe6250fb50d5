"""How English writes quantities."""

from __future__ import annotations

from ifonly.explainers.wording.conventions import Conventions

CONVENTIONS = Conventions(
    locale="en_US",
    missing="missing",
    about="about ",
    signs_in_front=frozenset("$€£¥₩"),
    units={
        "s": ("s", "s"),
        "min": ("min", "min"),
        "h": ("h", "h"),
        "d": ("day", "days"),
        "wk": ("week", "weeks"),
        "month": ("month", "months"),
        "yr": ("year", "years"),
        "세": ("year", "years"),
        "time": ("time", "times"),
        "번": ("time", "times"),
        "pc": ("piece", "pieces"),
        "person": ("person", "people"),
        "case": ("case", "cases"),
        "cycle": ("cycle", "cycles"),
        "rev": ("rev", "rev"),
        "USD": ("USD", "USD"),
        "EUR": ("EUR", "EUR"),
        "KRW": ("KRW", "KRW"),
        "JPY": ("JPY", "JPY"),
        "GBP": ("GBP", "GBP"),
        "DM": ("DM", "DM"),
        "%p": ("percentage point", "percentage points"),
    },
)
