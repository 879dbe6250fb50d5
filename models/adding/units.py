"""The unit of a column, where its name says it."""

from __future__ import annotations

import re

_DEGREES = {"c": "°C", "degc": "°C", "celsius": "°C", "degf": "°F", "k": "K", "kelvin": "K"}
_BY_SUFFIX = {
    **_DEGREES,
    **{unit.lower(): unit for unit in (
        "rpm Nm bar mbar psi Pa kPa MPa mm cm km kg mg V mV kV mA kW kWh Hz kHz ms ppm mL EUR USD "
        "KRW dB kN"
    ).split()},
    "um": "µm", "sec": "s", "hours": "h", "days": "d", "pct": "%", "percent": "%", "deg": "°",
}  # fmt: skip
"""No ``min``, which is likelier the smallest; few single letters, which are likelier names."""
_BRACKETS = re.compile(r"^(?P<what>.+?)\s*[\[(](?P<unit>[^\[\]()]{1,12})[\])]$")
_SUFFIX = re.compile(r"^(?P<what>.*[A-Za-z0-9])[_ ](?P<unit>[A-Za-z]+)$")


def split_unit(name: str) -> tuple[str, str]:
    """What a column is called, and its unit; no unit where the name says none.

    >>> split_unit("Torque [Nm]"), split_unit("oil_temp_c"), split_unit("tool_wear")
    (('Torque', 'Nm'), ('oil temp', '°C'), ('tool wear', ''))
    """
    if found := _BRACKETS.match(name):
        unit = found["unit"].strip()
        return _spoken(found["what"]), _DEGREES.get(unit.lower(), unit)
    found = _SUFFIX.match(name)
    if found and found["unit"].lower() in _BY_SUFFIX:
        return _spoken(found["what"]), _BY_SUFFIX[found["unit"].lower()]
    return _spoken(name), ""


def _spoken(name: str) -> str:
    return name.replace("_", " ").strip()
