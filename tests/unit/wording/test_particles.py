"""Particles after anything that a sentence may end a phrase with."""

# ruff: noqa: E501  (Hangul counts double)
from __future__ import annotations

import pytest

from ifonly.explainers.wording.ko.particles import PARTICLES, SUBJECT, TO, attach
from ifonly.explainers.wording.ko.sounds import Final, final_of

# As it is written with its 이/가. 16 A is 16 암페어, 8 mg/m³ is 8 밀리그램 퍼 세제곱미터.
SUBJECTS = """
토크가; 온도가; 속도가; 압력이; 품질이; 정상이; 고장이; 경보가; 값이; 밸브가; 센서가; 모터가; 알람이; 공구가;
마모가; 10 °C가; -5 °C가; 25 ℃가; 25 ℉가; 45°가; 1,380 rpm이; 7.5 Nm가; 7.5 N·m가; 216분이; 30초가; 2시간이;
3일이; 5개월이; 3 %가; 5 %p가; 2 ‰이; kW가; 3 kW가; bar가; 6 bar가; 0.5 MPa이; 100 kPa이; 5 Pa이; 50 Hz가;
2 kHz가; 220 V가; 3.3 kV가; 4 mA가; 100 W가; 5 MW가; 30 s가; 12 min이; 8 mg/m³가; 8 μg/m³가; 35 ㎍/㎥가;
60 dB이; 60 dB(A)가; 300 K이; 5 L가; 3 mL가; 2 m가; 5 cm가; 7 mm가; 3 μm가; 5 m²가; 5 m³가; 5 ㎡가; 5 ㎥가;
9 kg이; 9 g이; 9 t이; 3 kJ이; 5 J이; 2 kWh가; 30 mm/s가; 9.8 m/s²이; 100 km/h가; 3 L/min이; 5 m³/h가;
20 kg·m²가; 5 W/(m²·K)이; 4 mol이; 5 lx가; 3 lm이; 2 Ω이; 5 kΩ이; 3 F이; 1 H가; 2 T가; 5 N이; 2 kN이;
100 psi가; 760 mmHg가; 3 ppm이; 3 ppb가; 0.01 rad이; 5 cd가; 3 S가; 1 ft가; 3 gal이; 5 Wb가; 2 C이; 9 Bq이;
1 Sv가; 5회가; 3개가; 2명이; 7건이; 5,000원이; 20달러가; 1억이; 10년이; 0이; 1이; 2가; 3이; 4가; 5가; 6이; 7이;
8이; 9가; 10이; 11이; 12가; 15가; 16이; 20이; 22가; 30이; 99가; 100이; 101이; 105가; 110이; 200이; 1000이;
1,000이; 1,282가; 1,380이; 10000이; 10,000이; 12,340이; 50,000이; 100,000이; 1,000,000이; 100000000이;
1,000,000,000,000가; 0.0이; 0.1이; 0.2가; 0.5가; 1.05가; 3.10이; 53.2가; -1이; -2가; -3.5가; +4가; L이; M이;
H가; A가; B가; N이; R이; S가; X가; Z가; W가; PLC가; PID가; HMI가; LED가; RPM이; CNC가; AC가; DC가; NOx가;
SOx가; pH가; CO가; CO2가; CO₂가; H2O가; PM10이; PM2.5가; V1이; T3이; ON이; OFF가; OK가; HIGH가; LOW가; AUTO가;
RUN이; STOP이; MOTOR가; sensor가; motor가; valve가; torque가; temperature가; pressure가; level이; tool이;
cycle이; nozzle이; line이; zone이; time이; frame이; machine이; engine이; alarm이; system이; pattern이;
ring이; setting이; chip이; step이; block이; track이; logic이; robot이; target이; limit이; unit이; web이;
check가; speed가; belt가; pump가; class가; gas가; index가; flow가; type이; pipe가; normal이; failure가;
토크(Nm)가; 온도(°C)가; 압력[bar]이; '정상'이; "고장"이; ‘정상’이; “고장”이; 「정상」이; (축)이; 정상.이;
tool_wear가; coolantTemp가; inletPressure가; 압력 P가; 라인 3이; 1호기가; 2번이; Ⅱ가; Ⅲ이; α가; β가; Δ가;
λ가; x²이; R²이; 10⁻⁷이; 1.2×10⁻⁷이; 1.2×10⁻⁷ m가; ㄱ이; ㄴ이; ㄹ이; café가; 16 A가; 7 cal가; 1 h이;
pH 7이; good이
"""


def _cases() -> list[tuple[str, str]]:
    """(text, particle that must follow it)."""
    pieces = [piece.strip() for piece in SUBJECTS.replace("\n", " ").split(";")]
    return [(piece[:-1], piece[-1]) for piece in pieces if piece]


def test_there_are_enough_cases():
    assert len(_cases()) >= 250


@pytest.mark.parametrize(("text", "particle"), _cases())
def test_the_subject_particle_follows_the_last_sound(text: str, particle: str):
    assert attach(text, SUBJECT) == text + particle


@pytest.mark.parametrize(
    ("text", "particle"),
    [
        ("서울", "로"), ("밸브", "로"), ("정상", "으로"), ("1", "로"), ("7", "로"), ("8", "로"),
        ("3", "으로"), ("6", "으로"), ("10", "으로"), ("2", "로"), ("L", "로"), ("R", "로"),
        ("M", "으로"), ("N", "으로"), ("H", "로"), ("5 MPa", "로"), ("60 dB", "로"),
        ("300 K", "으로"), ("1,380 rpm", "으로"), ("53.2 Nm", "로"), ("0분", "으로"),
        ("10 °C", "로"), ("level", "로"), ("tool", "로"), ("cycle", "로"), ("zone", "으로"),
        ("5 kJ", "로"), ("4 mol", "로"), ("60 %", "로"), ("0", "으로"), ("1억", "으로"),
    ],
)  # fmt: skip
def test_the_direction_particle_is_ro_after_a_vowel_and_after_rieul(text: str, particle: str):
    assert attach(text, TO) == text + particle


@pytest.mark.parametrize(
    ("pair", "after_consonant", "after_vowel", "after_rieul", "unsure"),
    [
        ("이/가", "이", "가", "이", "이(가)"),
        ("은/는", "은", "는", "은", "은(는)"),
        ("을/를", "을", "를", "을", "을(를)"),
        ("과/와", "과", "와", "과", "과(와)"),
        ("으로/로", "으로", "로", "로", "(으)로"),
        ("이나/나", "이나", "나", "이나", "(이)나"),
        ("이라면/라면", "이라면", "라면", "이라면", "(이)라면"),
        ("이었/였", "이었", "였", "이었", "이었(였)"),
        ("이어야/여야", "이어야", "여야", "이어야", "이어야(여야)"),
    ],
)
def test_every_particle_has_its_forms(
    pair: str, after_consonant: str, after_vowel: str, after_rieul: str, unsure: str
):
    particle = PARTICLES[pair]
    assert attach("정상", particle) == "정상" + after_consonant
    assert attach("토크", particle) == "토크" + after_vowel
    assert attach("레벨", particle) == "레벨" + after_rieul
    assert attach("中", particle) == "中" + unsure


@pytest.mark.parametrize("text", ["中", "温度", "Привет", "🙂", "", "  ", "bat", "1/2", "xyzget"])
def test_where_the_reading_is_not_known_both_forms_are_written(text: str):
    assert final_of(text) is Final.UNKNOWN
    assert attach(text, SUBJECT) == f"{text}이(가)"


@pytest.mark.parametrize(
    ("word", "quantity"), [("L이", "5 L가"), ("H가", "1 H가"), ("M이", "3 m가"), ("N이", "5 N이")]
)
def test_a_letter_is_a_letter_alone_and_a_unit_behind_a_number(word: str, quantity: str):
    assert attach(word[:-1], SUBJECT) == word
    assert attach(quantity[:-1], SUBJECT) == quantity
