"""What a recorded answer claims and how it is known, in plain words: Korean and English.

Read from the record as it is: an answer that an older version gave may lack what newer ones say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.schema import Labels

Answer = Mapping[str, Any]

NOT_PROVEN: Labels = {
    "en": "How much the cheapest change would cost is not known.",
    "ko": "가장 저렴한 변경의 비용이 얼마인지는 알려져 있지 않습니다.",
}
VERIFIED: Labels = {
    "en": "Each change was recomputed end to end (rules, what follows, cost, score by the "
    "deployed model file) by a checker that shares neither code nor definitions with the search.",
    "ko": "탐색과 코드도 규칙의 정의도 공유하지 않는 검증기가 각 변경을 처음부터 끝까지(규칙, 따라 "
    "변하는 값, 비용, 배포된 모델 파일의 점수) 다시 계산했습니다.",
}
RESTS_ON_ROUNDING: Labels = {
    "en": "An answer rests on rounding: another session of the same model file, with other threads "
    "or other rows beside it, may decide otherwise. None that all sessions confirm was found.",
    "ko": "답이 반올림 오차에 달려 있습니다. 같은 모델 파일이라도 스레드 수나 함께 계산하는 행이 "
    "다르면 판정이 달라질 수 있으며, 모든 세션에서 성립하는 답은 찾지 못했습니다.",
}
OTHER_LEVERS: Labels = {
    "en": " of other features than the answers before it",
    "ko": "앞선 답과 다른 항목을 바꾸는 ",
}
WITHOUT_CHANGE: Labels = {
    "en": "The prediction already is as it was asked for: there is nothing to change.",
    "ko": "예측이 이미 요청한 대로이므로 바꿀 것이 없습니다.",
}
NOTHING_FOUND: Labels = {
    "en": "Nothing was found, and nothing is proven: neither that a change exists nor that none "
    "does.",
    "ko": "찾은 변경이 없고, 변경이 있다는 것도 없다는 것도 증명되지 않았습니다.",
}
NOTHING_ALLOWED: Labels = {
    "en": "Proven: no change that the policy and the request allow puts the prediction in the "
    "target. Every combination of values that can be set is excluded.",
    "ko": "증명됨: 정책과 요청이 허용하는 어떤 변경으로도 예측이 목표에 들지 않습니다. 설정할 수 "
    "있는 모든 값의 조합이 배제되었습니다.",
}


def in_words(answer: Answer) -> list[Labels]:
    """One sentence each; none for what is no explanation."""
    return list(_sentences(answer)) if "counterfactuals" in answer else []


def _sentences(answer: Answer) -> Iterator[Labels]:
    match answer["status"]:
        case "optimal" | "feasible":
            yield from _found(answer["counterfactuals"])
        case "infeasible":
            yield NOTHING_ALLOWED
        case "already_target":
            yield WITHOUT_CHANGE
        case "abstained":
            yield _too_unsure(answer.get("chance_under_this_model"))
        case _:
            yield NOTHING_FOUND
    yield _effort(answer)
    if answer.get("deadline_hit"):
        yield _cut(answer["work"]["deadline_ms"])


def _found(found: list[Answer]) -> Iterator[Labels]:
    for counterfactual in found:
        yield from _cost(counterfactual, several=len(found) > 1)
    yield VERIFIED
    if any(counterfactual.get("rests_on_rounding") for counterfactual in found):
        yield RESTS_ON_ROUNDING
    for counterfactual in found[:1]:
        if counterfactual.get("assurance"):
            yield _assurance(counterfactual["assurance"])


def _cost(found: Answer, *, several: bool) -> Iterator[Labels]:
    rank, bound, gap = found["rank"], found.get("lower_bound"), found.get("gap")
    which = {"en": f"Answer {rank}. ", "ko": f"답 {rank}. "} if several else {"en": "", "ko": ""}
    others = OTHER_LEVERS if rank > 1 else {"en": "", "ko": ""}
    cost, enumerated = _number(found["cost"]), found.get("enumerated_changes")
    if gap == 0:
        yield {
            "en": f"{which['en']}Proven cheapest. It costs {cost}, and no allowed change"
            f"{others['en']} costs less: the bound that the search proved is the cost itself "
            "(gap 0).",
            "ko": f"{which['ko']}최저 비용임이 증명됨. 비용은 {cost}이며, {others['ko']}허용된 "
            "변경 중 비용이 더 적은 것은 없습니다. 탐색이 증명한 하한이 비용과 같습니다(격차 0).",
        }
        return
    yield {
        "en": f"{which['en']}It costs {cost} and flips the decision. That nothing allowed is "
        "cheaper is not proven.",
        "ko": f"{which['ko']}비용은 {cost}이고 판정을 바꿉니다. 더 저렴한 허용된 변경이 없다는 "
        "것은 증명되지 않았습니다.",
    }
    if enumerated:
        yield _enumerated(enumerated)
    if bound is not None and gap is not None:
        yield {
            "en": f"Proven is that nothing allowed{others['en']} costs less than "
            f"{_number(bound)}: a cheaper change could save {percent(gap)} at most.",
            "ko": f"{others['ko']}허용된 변경의 비용이 {_number(bound)}보다 적을 수 없음은 "
            f"증명되었습니다. 더 저렴한 변경이 있더라도 최대 {percent(gap)}만 줄일 수 있습니다.",
        }
    elif not enumerated:
        yield NOT_PROVEN


def _enumerated(features: int) -> Labels:
    some = "one feature" if features == 1 else f"at most {features} features"
    return {
        "en": f"Every allowed change of {some} was scored, and none costs less.",
        "ko": f"항목을 최대 {features}개까지 바꾸는 허용된 변경을 모두 채점했으며, 비용이 더 적은 "
        "것은 없었습니다.",
    }


def _assurance(said: Answer) -> Labels:
    chance = percent(said["chance_under_this_model"])
    errors = percent(said["survives_sensor_errors"])
    return {
        "en": f"The first answer flips the decision under {chance} of the plausible causal "
        f"mechanisms and under {errors} of the draws of the sensors' errors.",
        "ko": f"첫 번째 답은 타당한 인과 메커니즘의 {chance}, 센서 오차 추출의 {errors}에서 판정을 "
        "바꿉니다.",
    }


def _too_unsure(chance: float | None) -> Labels:
    share = "" if chance is None else f" ({percent(chance)})"
    return {
        "en": "Something flips the decision, but under fewer of the plausible causal mechanisms"
        f"{share} than the policy demands: it is not recommended, so it is not shown.",
        "ko": f"판정을 바꾸는 변경이 있으나, 타당한 인과 메커니즘 중 그것이 성립하는 비율{share}이 "
        "정책이 요구하는 수준에 못 미쳐 제시하지 않았습니다.",
    }


def _effort(answer: Answer) -> Labels:
    work, provenance = answer["work"], answer["provenance"]
    return {
        "en": f"Engine {provenance['engine']}, seed {provenance['seed']}: {work['rows']:,} rows "
        f"scored in {work['runs']:,} model calls.",
        "ko": f"엔진 {provenance['engine']}, 시드 {provenance['seed']}: 모델을 {work['runs']:,}회 "
        f"호출하여 {work['rows']:,}개 행을 채점했습니다.",
    }


def _cut(milliseconds: int) -> Labels:
    return {
        "en": f"The search was cut by its deadline of {milliseconds:,} ms: with more time it may "
        "find or prove more.",
        "ko": f"탐색이 제한 시간 {milliseconds:,} ms에 중단되었습니다. 시간이 더 있으면 더 찾거나 "
        "증명할 수도 있습니다.",
    }


def _number(value: float) -> str:
    """Four significant digits: a cost has no more meaning than that to a reader."""
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is something."""
    shown = f"{share:.1%}"
    if share < 1.0 and shown == "100.0%":
        return "> 99.9%"
    if share > 0.0 and shown == "0.0%":
        return "< 0.1%"
    return shown
