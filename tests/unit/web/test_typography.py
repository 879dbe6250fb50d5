"""How numbers and percent signs are set on a page."""

from __future__ import annotations

import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.words.typography import percents, typeset

HELD = "95\u00a0%"


def test_a_percent_sign_is_written_as_the_language_does_and_stays_with_its_number() -> None:
    assert {tag: percents("at 95 % and 4.5 %", tag) for tag in LANGUAGES} == {
        "ko": "at 95% and 4.5%",
        "en": "at 95\u00a0% and 4.5\u00a0%",
        "ja": "at 95\u00a0% and 4.5\u00a0%",
    }
    assert percents("95 %", "en", " ") == "95 %"
    assert percents("95 %", "ko", " ") == "95%"


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>95 %</p>", f"<p>{HELD}</p>"),
        ("<p title='95 %'>95 % <b>95 %</b></p>", f"<p title='95 %'>{HELD} <b>{HELD}</b></p>"),
        ('<input value="95 %"><i>95 %</i>', f'<input value="95 %"><i>{HELD}</i>'),
        ("<pre>95 %\n<b>95 %</b></pre>95 %", f"<pre>95 %\n<b>95 %</b></pre>{HELD}"),
        ("<textarea>95 %</textarea>95 %", f"<textarea>95 %</textarea>{HELD}"),
        ("<prefix>95 %</prefix>", f"<prefix>{HELD}</prefix>"),
        ("95 &lt; 96 %", "95 &lt; 96\u00a0%"),
        ("no number % here, 95 per cent", "no number % here, 95 per cent"),
        ("", ""),
    ],
)
def test_a_page_is_set_and_what_it_sends_or_quotes_is_not(html: str, shown: str) -> None:
    assert typeset(html, "en") == shown
    assert typeset(html, "ko") == shown.replace("\u00a0", "")
