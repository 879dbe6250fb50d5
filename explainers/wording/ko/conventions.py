"""How Korean writes quantities."""

from __future__ import annotations

from ifonly.explainers.wording.conventions import Conventions

WORDS = {
    "s": "초",
    "min": "분",
    "h": "시간",
    "d": "일",
    "wk": "주",
    "month": "개월",
    "yr": "년",
    "세": "세",
    "time": "회",
    "번": "번",
    "pc": "개",
    "person": "명",
    "case": "건",
    "cycle": "사이클",
    "rev": "회전",
    "USD": "달러",
    "EUR": "유로",
    "KRW": "원",
    "JPY": "엔",
    "GBP": "파운드",
    "DM": "마르크",
}
"""Written without a space behind the number: 216분."""

CONVENTIONS = Conventions(
    locale="ko_KR",
    missing="누락",
    about="약 ",
    units={unit: (word, word) for unit, word in WORDS.items()},
    unit_glue="",
    percent_space=False,
    letters=(("가", "힣"),),
    aliases={word: unit for unit, word in WORDS.items() if word not in ("파운드", "마르크")},
)
