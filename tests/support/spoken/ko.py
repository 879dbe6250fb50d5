"""Korean, as :class:`tests.support.spoken.Spoken` asks for it."""

END = "."
LOCALE = "ko-KR"
HIGHER = ("높음", "많음", "긺", "큼")
LOWER = ("낮음", "적음", "짧음", "작음")
ADVICE = ("하십시오", "하세요", "바랍니다", "권장", "보장", "해야", "주십시오")
CLAIM = "주장"
BROKEN = "토크가 20 Nm보다 작으면 주축은 1,750 rpm 이상으로 회전합니다."
NOTHING_CLEARS = "허용된 변경으로는 이 경보를 해제할 수 없습니다"
CHANGES = "제시된 조치 중 하나"
