"""What an answer takes for granted, in words. Every reply prints it."""

from __future__ import annotations

from collections.abc import Sequence

from explainers.constraints import Survives
from models.schema import Labels, Schema, plain

NOTHING_FOLLOWS: Labels = {
    "en": "There is no causal model of this equipment: each feature is read as set alone, and "
    "nothing else is taken to follow from it. The statement is about the model's prediction.",
    "ko": "이 설비의 인과 모델이 없으므로, 각 항목은 단독으로 바뀌고 "
    "다른 항목은 따라 변하지 않는다고 봅니다. 이 설명은 모델의 예측에 관한 것입니다.",
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
