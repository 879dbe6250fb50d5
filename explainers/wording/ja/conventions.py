"""How Japanese writes quantities."""

from __future__ import annotations

from ifonly.explainers.wording.conventions import Conventions

WORDS = {
    "s": "秒",
    "min": "分",
    "h": "時間",
    "d": "日",
    "wk": "週間",
    "month": "か月",
    "yr": "年",
    "세": "歳",
    "time": "回",
    "번": "回",
    "pc": "個",
    "person": "人",
    "case": "件",
    "cycle": "サイクル",
    "rev": "回転",
    "USD": "ドル",
    "EUR": "ユーロ",
    "KRW": "ウォン",
    "JPY": "円",
    "GBP": "ポンド",
    "DM": "マルク",
    "%p": "ポイント",
}
"""Written without a space behind the number: 216分."""

CONVENTIONS = Conventions(
    locale="ja_JP",
    between_sentences="",
    missing="欠測",
    about="約",
    units={unit: (word, word) for unit, word in WORDS.items()},
    unit_glue="",
    letters=(("ぁ", "ヿ"), ("一", "鿿")),
    aliases={word: unit for unit, word in WORDS.items() if unit not in ("번", "%p")},
    alarm="警報",
    labels_from=("en",),
)
