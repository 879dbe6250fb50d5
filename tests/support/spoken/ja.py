"""Japanese, as :class:`tests.support.spoken.Spoken` asks for it."""

END = "。"
LOCALE = "ja-JP"
HIGHER = ("高い", "多い", "長い", "大きい")
LOWER = ("低い", "少ない", "短い", "小さい")
ADVICE = ("してください", "すべき", "お勧め", "推奨", "保証", "必ず")
CLAIM = "主張"
BROKEN = "トルクが20 Nm未満なら、主軸は1,750 rpm以上で回ります。"
NOTHING_CLEARS = "許された変更ではこの警報は解除できません"
CHANGES = "示された変更のいずれか"
