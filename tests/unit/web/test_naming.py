"""What records are called on pages, those too that nobody has a word for yet."""

from __future__ import annotations

import pytest

from ifonly.service.doors.pages.auditor.naming import badge
from ifonly.service.doors.pages.auditor.search import choices
from ifonly.service.store import kinds
from ifonly.service.store.kinds import STATUSES, KindOfRecord, RecordKind, own_words
from ifonly.service.words.catalogue import texts


def test_what_has_no_word_is_shown_by_its_name() -> None:
    shown = choices("kind.", ["belt_changed", RecordKind.KEY], "en")
    assert shown == [("belt_changed", "belt changed"), ("key", "API key")]
    assert badge("part_replaced", "ko").text == "part replaced"


def test_a_refusal_is_called_by_its_kind_of_problem() -> None:
    assert badge("unknown-model", "en").text == "No such model"
    assert badge("queue-full", "en").text == "queue-full"


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
