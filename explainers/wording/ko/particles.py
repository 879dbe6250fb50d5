"""Korean particles: which form follows a word, a number, a unit or a symbol.

The form depends on how the last syllable *sounds*: ``10 °C가`` (도), ``1,380 rpm이`` (엠),
``216분이``, ``0이`` (영), ``L로`` (엘). See :mod:`ifonly.explainers.wording.ko.sounds`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.explainers.wording.ko.sounds import Final, final_of


@dataclass(frozen=True, slots=True)
class Particle:
    """The forms of one particle or ending."""

    after_consonant: str
    after_vowel: str
    unsure: str
    """Both forms, as Korean writes them where the reading is not known."""
    after_rieul: str | None = None
    """After ㄹ, where that differs from other consonants."""

    def after(self, text: str) -> str:
        """The form that follows ``text``."""
        match final_of(text):
            case Final.VOWEL:
                return self.after_vowel
            case Final.RIEUL:
                return self.after_rieul or self.after_consonant
            case Final.CONSONANT:
                return self.after_consonant
            case Final.UNKNOWN:
                return self.unsure


SUBJECT = Particle("이", "가", "이(가)")
TOPIC = Particle("은", "는", "은(는)")
OBJECT = Particle("을", "를", "을(를)")
WITH = Particle("과", "와", "과(와)")
TO = Particle("으로", "로", "(으)로", after_rieul="로")
OR = Particle("이나", "나", "(이)나")
IF_IS = Particle("이라면", "라면", "(이)라면")
WAS = Particle("이었", "였", "이었(였)")
MUST_BE = Particle("이어야", "여야", "이어야(여야)")

PARTICLES = {
    "이/가": SUBJECT,
    "은/는": TOPIC,
    "을/를": OBJECT,
    "과/와": WITH,
    "으로/로": TO,
    "이나/나": OR,
    "이라면/라면": IF_IS,
    "이었/였": WAS,
    "이어야/여야": MUST_BE,
}


def attach(text: str, particle: Particle) -> str:
    """``text`` and the form of ``particle`` that follows it."""
    return text + particle.after(text)
