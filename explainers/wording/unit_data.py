"""What plants write of units: data for :mod:`ifonly.explainers.wording.units`.

Names and spellings are Pint's (https://pint.readthedocs.io), which reads many more; a test holds
each symbol against it. Kept here because reading Pint's definitions takes a fifth of a second.
"""

from __future__ import annotations

PREFIXES = {
    "": "", "atto": "a", "femto": "f", "pico": "p", "nano": "n", "micro": "µ μ u mu mc",
    "milli": "m", "centi": "c", "deci": "d", "deca": "da deka", "hecto": "h", "kilo": "k",
    "mega": "M", "giga": "G", "tera": "T", "peta": "P", "exa": "E", "zetta": "Z", "yotta": "Y",
    "kibi": "Ki", "mebi": "Mi", "gibi": "Gi",
}  # fmt: skip
"""How each may be written besides its name. In the order in which readings are tried."""

UNITS = {
    "ampere": "A amp", "angstrom": "\u00c5 \u212b ångström",
    "arcminute": "arcmin arc_minute angular_minute",
    "arcsecond": "arcsec arc_second angular_second", "bar": "", "becquerel": "Bq", "bit": "",
    "british_thermal_unit": "Btu BTU Btu_iso", "byte": "B octet",
    "calorie": "cal thermochemical_calorie cal_th", "candela": "cd candle", "coulomb": "C",
    "cubic_centimeter": "cc", "day": "d", "decibel": "dB", "decibelmilliwatt": "dBm",
    "degree": "deg arcdeg arcdegree angular_degree", "degree_Celsius": "°C celsius degC degreeC",
    "degree_Fahrenheit": "°F fahrenheit degF degreeF", "denier": "den",
    "electron_volt": "eV electronvolt", "farad": "F",
    "foot": "ft feet international_foot international_feet",
    "gallon": "gal liquid_gallon US_liquid_gallon", "gauss": "G", "gram": "g", "gray": "Gy",
    "hectare": "ha", "henry": "H", "hertz": "Hz",
    "horsepower": "hp UK_horsepower hydraulic_horsepower", "hour": "h hr",
    "inch": "in inches international_inch international_inches", "joule": "J", "katal": "kat",
    "kelvin": "K degK °K degree_Kelvin degreeK",
    "knot": "kn kt knot_international international_knot", "liter": "l L ℓ litre", "lumen": "lm",
    "lux": "lx", "meter": "m metre", "metric_horsepower": "", "metric_ton": "t tonne",
    "micron": "µ μ", "mile": "mi international_mile", "minute": "min", "mole": "mol",
    "month": "", "newton": "N", "number_meter": "Nm", "ohm": "Ω",
    "ounce": "oz avoirdupois_ounce avdp_ounce", "pascal": "Pa", "percent": "%", "permille": "‰",
    "poise": "P", "pound": "lb avoirdupois_pound avdp_pound",
    "pound_force_per_square_inch": "psi", "ppm": "", "radian": "rad",
    "revolutions_per_minute": "rpm", "revolutions_per_second": "rps", "second": "s sec",
    "siemens": "S mho", "sievert": "Sv", "standard_atmosphere": "atm atmosphere",
    "steradian": "sr", "stokes": "St", "tesla": "T", "ton": "short_ton", "torr": "", "volt": "V",
    "volt_ampere": "VA", "watt": "W", "watt_hour": "Wh watthour", "weber": "Wb", "week": "",
    "yard": "yd international_yard", "year": "a yr julian_year",
}  # fmt: skip
"""How each may be written besides its name."""

POWERS = {
    ("time", 1): "second minute hour day week month year",
    ("time", -1): "hertz becquerel revolutions_per_minute revolutions_per_second",
    ("length", 1): "meter angstrom micron inch foot yard mile",
    ("length", 2): "hectare",
    ("length", 3): "liter cubic_centimeter gallon",
    ("mass", 1): "gram metric_ton ounce pound ton",
    ("substance", 1): "mole",
}
"""Units that are a power of one base quantity that words depend on."""

OWN_ZERO = frozenset(("degree_Celsius", "degree_Fahrenheit", "decibel", "decibelmilliwatt"))
"""0 of them is not 0 of their base unit: 0 °C are 273.15 K."""
