"""What an answer takes for granted, in words. Every reply prints it."""

from __future__ import annotations

from collections.abc import Sequence

from explainers.constraints import Survives
from models.schema import Labels, Schema, plain

NOTHING_FOLLOWS: Labels = {
    "en": "There is no accepted causal model of this equipment: each feature is read as set alone, "
    "and nothing else is taken to follow from it. The statement is about the model's prediction.",
    "ko": "이 설비에 대해 승인된 인과 모델이 없으므로, 각 항목은 단독으로 바뀌고 "
    "다른 항목은 따라 변하지 않는다고 봅니다. 이 설명은 모델의 예측에 관한 것입니다.",
}
MOVED_ALONE: Labels = {
    "en": "Asked for independent semantics: each feature is read as moved alone, although by the "
    "accepted causal model others would follow. The statement is about the model's arithmetic, "
    "not about the equipment, and it is no advice.",
    "ko": "독립 의미론으로 물었으므로, 승인된 인과 모델에 따르면 다른 항목이 따라 변하더라도 각 "
    "항목이 단독으로 바뀐다고 봅니다. 이 설명은 모델의 계산에 관한 것이며 설비에 관한 것도 "
    "조치에 대한 권고도 아닙니다.",
}
DECISION_NOT_OUTCOME: Labels = {
    "en": "What would have been otherwise is the model's decision, not the real outcome: whether "
    "the equipment would have failed was not asked.",
    "ko": "달라졌을 것은 모델의 판정이지 실제 결과가 아닙니다. 설비가 실제로 고장 났을지는 "
    "묻지 않았습니다.",
}
THIS_MACHINE: Labels = {
    "en": "What follows is computed for this very machine: everything that the causal model does "
    "not explain stays as it was.",
    "ko": "따라 변하는 값은 바로 이 설비에 대해 계산했습니다. 인과 모델이 설명하지 않는 것은 모두 "
    "그대로 둡니다.",
}
ANY_MACHINE: Labels = {
    "en": "What follows is drawn anew: machines that read the same where nothing follows.",
    "ko": "따라 변하는 값은 새로 추출했습니다. 따라 변하지 않는 항목의 값이 같은 설비들에 대한 "
    "것입니다.",
}
ANOTHER_PAST: Labels = {
    "en": "Asked for backtracking semantics: every law of the causal model holds, and what it does "
    "not explain is otherwise, one feature's part at a time. It tells of another past, not of "
    "anything that could be set, and it is no advice.",
    "ko": "역추적 의미론으로 물었으므로, 인과 모델의 모든 법칙은 그대로이고 인과 모델이 설명하지 "
    "않는 각 항목의 몫만 달랐다고 봅니다. 이 설명은 실제와 다른 과거에 관한 것이며, 설정할 수 있는 "
    "것에 관한 것도 조치에 대한 권고도 아닙니다.",
}
SMALLEST_BY_POLICY: Labels = {
    "en": "Smallest means cheapest by the costs, the steps and the rules that the model's policy "
    "and this request declare.",
    "ko": "가장 작은 변경이란 모델 정책과 이 요청이 정한 비용, 조정 단위, 규칙에 따라 "
    "비용이 가장 적은 변경을 뜻합니다.",
}
PREDICTION_IS_EXACT: Labels = {
    "en": "The prediction is that of the deployed model file, recomputed for the row as it is "
    "written here.",
    "ko": "예측값은 배포된 모델 파일로 여기에 적힌 값 그대로 다시 계산한 것입니다.",
}


def survives(asked: Survives, schema: Schema) -> Labels:
    """Which readings the answer was proven to survive."""
    own = [(f, off) for f, off in zip(schema.features, asked.tolerances, strict=True) if off]

    def listed(language: str) -> str:
        return ", ".join(f"{f.label(language)} ±{plain(off)} {f.unit}".rstrip() for f, off in own)

    return {
        "en": f"Proven to hold for every reading within the sensors' tolerances: {listed('en')}.",
        "ko": f"센서 허용 오차 안의 모든 측정값에서 성립함을 증명했습니다: {listed('ko')}.",
    }


def in_languages(assumptions: Sequence[Labels], languages: Sequence[str]) -> list[dict[str, str]]:
    return [{tag: text[tag] for tag in languages} for text in assumptions]
