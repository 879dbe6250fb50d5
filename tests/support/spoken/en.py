"""English, as :class:`tests.support.spoken.Spoken` asks for it."""

END = "."
LOCALE = "en-US"
HIGHER = ("higher", "longer", "larger")
LOWER = ("lower", "shorter", "smaller")
ADVICE = ("should", "you ", "please", "recommend", "guarantee", "must", "try ")
CLAIM = "Claim"
BROKEN = "With less than 20 Nm to drive, the spindle runs at 1,750 rpm or more."
NOTHING_CLEARS = "No allowed change clears this alarm"
CHANGES = "one of the changes shown"
