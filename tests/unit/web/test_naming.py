"""What records are called on pages, those too that nobody has a word for yet."""

from __future__ import annotations

import pytest

from ifonly.explainers.wording import Language
from ifonly.service.doors.pages.auditor.naming import Names, badge
from ifonly.service.doors.pages.auditor.search import choices
from ifonly.service.served.registry import Registry
from ifonly.service.settings import shipped_models
from ifonly.service.store import kinds
from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import STATUSES, KindOfRecord, RecordKind, own_words
from ifonly.service.words.catalogue import texts


def test_what_has_no_word_is_shown_by_its_name() -> None:
    shown = choices("kind.", ["belt_changed", RecordKind.KEY], "en")
    assert shown == [("belt_changed", "belt changed"), ("key", "API key")]
    assert badge("part_replaced", "ko").text == "part replaced"


def test_a_refusal_is_called_by_its_kind_of_problem() -> None:
    assert badge("unknown-model", "en").text == "No such model"
    assert badge("unheard-of", "en").text == "unheard-of"


def test_every_status_is_offered_once_and_in_words() -> None:
    offered = dict(choices("status.", STATUSES, "ko"))
    assert len(offered) == len(STATUSES) > 20
    assert offered["log_key"] == "로그 서명 키"


def test_a_kind_can_bring_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    serviced = KindOfRecord(
        "that it was serviced", {"serviced": {"en": "serviced"}}, {"ko": "정비"}
    )
    monkeypatch.setattr(kinds, "KINDS", {RecordKind.HOLD: serviced})
    assert dict(own_words("en")) == {"status.serviced": "serviced"}
    assert dict(own_words("ko")) == {"kind.hold": "정비"}
    assert dict(own_words("ja")) == {}
    assert texts.__wrapped__("en")["status.serviced"] == "serviced"


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry(shipped_models())
    found.load()
    return found


@pytest.mark.parametrize(
    ("name", "value", "computed", "shown"),
    [
        ("rotational_speed", 1306, False, {"en": "1,306 rpm", "ko": "1,306 rpm"}),
        ("rotational_speed", 1631.6740000000001, True, {"en": "about 1,632 rpm"}),
        ("tool_wear", 223, False, {"en": "223 min", "ko": "223분"}),
        ("quality", "L", False, {"ko": "하급"}),
        # Of a record that is not what was written: as it is.
        ("quality", "Z", False, {"ko": "Z"}),
        ("torque", "high", False, {"en": "high"}),
        ("torque", True, False, {"en": "True"}),
        ("torque", [1], False, {"en": "[1]"}),
        ("torque", None, False, {"en": "–"}),
        ("torque", 10**400, False, {"en": "1×10⁴⁰⁰"}),
        ("nobody's", 1306, False, {"en": "1,306"}),
    ],
)
def test_a_recorded_number_reads_as_operators_read_it(
    registry: Registry, name: str, value: object, computed: bool, shown: dict[Language, str]
) -> None:
    facts = Facts(kind=RecordKind.EXPLANATION, actor="a", model="milling-machine", version="1")
    for tag, text in shown.items():
        assert Names.of(facts, registry, tag).value(name, value, computed=computed) == text


def test_a_range_has_its_unit_once(registry: Registry) -> None:
    facts = Facts(kind=RecordKind.EXPLANATION, actor="a", model="milling-machine", version="1")
    assert Names.of(facts, registry, "ko").value("tool_wear", 1306, bare=True) == "1,306"
