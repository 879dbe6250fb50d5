"""Japanese, as :class:`tests.support.spoken.Spoken` asks for it."""

END = "。"
LOCALE = "ja-JP"
HIGHER = ("高い", "多い", "長い", "大きい")
LOWER = ("低い", "少ない", "短い", "小さい")
ADVICE = ("してください", "すべき", "お勧め", "推奨", "保証", "必ず")
CLAIM = "主張"
BROKEN = "20 Nm未満であれば、rotational speedが1,750 rpm以上でなければならない"
NOTHING_CLEARS = "No allowed change clears this alarm"
CHANGES = "one of the changes shown"
