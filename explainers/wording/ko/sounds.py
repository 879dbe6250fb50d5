"""How the end of a text sounds when a Korean reads it aloud.

Only the last syllable matters, and of it only the final consonant: none, ㄹ, or another.

- Hangul: read off the syllable (Unicode 3.12, conjoining jamo: ``(code - 0xAC00) % 28``).
- Numbers: Sino-Korean, by the last syllable spoken (10 십, 1000 천, 1억, 0.5 오).
- Units behind a number, and unmistakable ones alone (``kW``, ``°C``): their Korean name.
- Acronyms: letter by letter. English words: a list of words heard in plants, then spelling,
  as the loanword orthography (외래어 표기법, 3.1) would write them; where that is not certain
  the answer is :attr:`Final.UNKNOWN`, never a guess.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from functools import lru_cache

from ifonly.explainers.wording.ko.loanwords import LETTERS, LOANWORDS, SYMBOLS
from ifonly.explainers.wording.ko.spoken_units import is_unmistakable, spoken


class Final(Enum):
    """The final consonant (받침) of the last syllable."""

    VOWEL = "none"
    RIEUL = "ㄹ"
    CONSONANT = "other"
    UNKNOWN = "not known"


_DIGITS = "영일이삼사오육칠팔구"
_SMALL_POWERS = ("", "십", "백", "천")
_BIG_POWERS = ("", "만", "억", "조", "경", "해", "자", "양", "구", "간", "정", "재", "극")

_CLOSING = "'\"’”`´」』》〉>.,!?…;:~|*_-–—"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_NUMBER = re.compile(r"[\d,]*\d(?:\.\d+)?$")
_QUANTITY = re.compile(
    r"(?:^|[\s(\[{<~+\-−–→/:=])\d[\d,.]*(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?\s?([^\s\d,.][^\s]*)$"
)
_FRACTION = re.compile(r"(?:^|\s)(\d+)/(\d+)$")
_WORD = re.compile(r"[A-Za-z]+$")


@lru_cache(maxsize=4096)
def final_of(text: str) -> Final:
    """The final consonant with which ``text`` ends when read aloud."""
    core = _core(text)
    if not core:
        return Final.UNKNOWN
    if _is_hangul(core[-1]):
        return _of_hangul(core[-1])
    if core[-1] in SYMBOLS:
        return _of_hangul(SYMBOLS[core[-1]][-1])
    unit = _unit_at_end(core)
    if unit:
        return _of_hangul(unit[-1])
    if core[-1] in _SUPERSCRIPTS:
        return _of_hangul("곱")  # 제곱, 세제곱, 10의 마이너스 7제곱
    plain = unicodedata.normalize("NFKC", core)
    if _is_hangul(plain[-1]):
        return _of_hangul(plain[-1])
    if plain[-1] in SYMBOLS:
        return _of_hangul(SYMBOLS[plain[-1]][-1])
    if plain[-1].isdigit():
        return _of_number(plain)
    return _of_word(plain)


def _core(text: str) -> str:
    """``text`` without closing quotes, punctuation and brackets: 토크(축) sounds as 토크."""
    core = text.strip()
    while core:
        if core[-1] in _CLOSING and len(core) > 1:
            core = core[:-1].rstrip()
        elif core[-1] in _BRACKETS:
            opening = core.rfind(_BRACKETS[core[-1]])
            if _unit_at_end(core):  # dB(A), W/(m²·K)
                return core
            core = (core[:opening] if opening > 0 else core[:-1]).rstrip()
        else:
            return core
    return core


def _unit_at_end(core: str) -> str | None:
    """Korean name of the unit that ends ``core``, if a unit it is."""
    quantity = _QUANTITY.search(core)
    if quantity:
        return spoken(quantity[1])
    last = core.split()[-1]
    return spoken(last) if is_unmistakable(last) else None


def _is_hangul(char: str) -> bool:
    return "가" <= char <= "힣"


def _of_hangul(syllable: str) -> Final:
    final = (ord(syllable) - 0xAC00) % 28
    return Final.VOWEL if final == 0 else Final.RIEUL if final == 8 else Final.CONSONANT


def _of_number(text: str) -> Final:
    fraction = _FRACTION.search(text)
    if fraction is not None:  # 이분의 일, or 일 슬래시 이
        first, second = _of_number(fraction[1]), _of_number(fraction[2])
        return first if first is second else Final.UNKNOWN
    found = _NUMBER.search(text)
    assert found is not None, f"{text!r} does not end with a digit"
    whole, point, decimals = found[0].replace(",", "").partition(".")
    if point or whole.strip("0") == "":
        return _of_hangul(_DIGITS[int((decimals or whole)[-1])])
    significant = whole.rstrip("0")
    zeros = len(whole) - len(significant)
    if zeros == 0:
        return _of_hangul(_DIGITS[int(whole[-1])])
    if zeros < 4:
        return _of_hangul(_SMALL_POWERS[zeros])
    if zeros // 4 < len(_BIG_POWERS):
        return _of_hangul(_BIG_POWERS[zeros // 4])
    return Final.UNKNOWN


def _of_word(text: str) -> Final:
    unaccented = "".join(
        c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)
    )
    found = _WORD.search(unaccented)
    if found is None:
        return Final.UNKNOWN
    word = _last_hump(found[0])
    known = LOANWORDS.get(word.lower())
    if known and not _is_acronym(word):
        return _of_hangul(known[-1])
    if _is_acronym(word):
        return _of_hangul(LETTERS[word[-1].lower()][-1])
    return _of_spelling(word.lower())


def _last_hump(word: str) -> str:
    """``Temp`` of ``coolantTemp``."""
    hump = re.search(r"(?<=[a-z])[A-Z][a-z]+$", word)
    return hump[0] if hump else word


def _is_acronym(word: str) -> bool:
    """Read letter by letter: rpm, PLC, NOx, pH. Longer capitals (MOTOR) are words."""
    if len(word) == 1 or not re.search("[aeiouy]", word.lower()):
        return True
    if word.isupper():
        return len(word) <= 4 and word.lower() not in LOANWORDS
    return len(word) <= 3 and word[-1].isupper()


_SPELLINGS: tuple[tuple[str, Final], ...] = (
    # How a spelling ends in Korean, longest first; the first that fits decides.
    (r"[^aeiou]le", Final.RIEUL),  # 사이클, 노즐
    (r"[aeiou]le", Final.RIEUL),  # 스케일, 모듈
    (r"[^l]l|ll", Final.RIEUL),  # 레벨, 셀
    (r"ng", Final.CONSONANT),  # 링
    (r"(?:[aeiouy])(?:me|ne)", Final.CONSONANT),  # 타임, 라인
    (r"[aeiouylrwg]?[mn]", Final.CONSONANT),  # 필름, 패턴, 디자인
    (r"(?:m|n)", Final.CONSONANT),
    (r"[^aeiou][aeiou]ck", Final.CONSONANT),  # 블록, 트랙
    (r"[a-z]ic", Final.CONSONANT),  # 로직, 세라믹
    (r"(?:^|[^aeiou])[aeiou]p", Final.CONSONANT),  # 스텝, 칩
    (r"(?:^|[^aeiou])[aeiou][tkbc]", Final.UNKNOWN),  # 로봇 but 비트; 웹 but 허브
    (r"[aeiou]{2}[kp]", Final.UNKNOWN),  # 루프 but 북
    (r"[aeiou]pe", Final.UNKNOWN),  # 파이프 but 타입
    (r"ou?gh|[aeiouy]{2}t", Final.UNKNOWN),
    (r"[aeiouyrwhsxzfvdgjqtkpbc]", Final.VOWEL),  # 모터, 플로, 클래스, 밸브, 벨트
)


def _of_spelling(word: str) -> Final:
    for ending, final in _SPELLINGS:
        if re.search(f"(?:{ending})$", word):
            return final
    return Final.UNKNOWN
