"""Who confirms an answer: our copy of the model, or the process in which it is deployed.

The checker's own questions are asked of that process too: it is given the reply once more, and the
predictor's scores in place of the copy's. So whatever the reply claims and rows can show (class,
probability or score, readings within the tolerances, ends of ranges, plausible laws) is confirmed
by the predictor, or denied by it (decision 0104).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifonly.explainers.verify.exported import check_answer
from ifonly.explainers.verify.reading import written
from ifonly.models.predictor import Row, Rows, Scores, finite
from ifonly.models.rounding import rounding_of
from ifonly.models.said import PredictorWord, alone, evened, expected, near, read_said
from ifonly.models.schema import Decision, Schema, Task
from ifonly.models.spec import RowForm
from ifonly.service.ask.problem_types import PREDICTOR_DISAGREES
from ifonly.service.ask.problems import Refusal
from ifonly.service.errors import PredictorUnavailable, PredictorUnclear
from ifonly.service.logs import logger
from ifonly.service.served.registry import ServedModel
from ifonly.service.served.remote.remote import RemotePredictor
from ifonly.service.wire import replies, requests

PREDICTOR = "predictor"
OURS = ("prediction", "confirmed_by")
"""Checks of our own number, beside which the predictor's is told, and of who confirmed."""


@dataclass(frozen=True)
class Confirming:
    """How a door has the predictor asked."""

    is_named: bool | None = None
    """Whether a client that speaks the predictor's protocol named the features of its row; None: it
    does not, or whether it did says nothing."""
    must_answer: bool = False
    """Whether an answer that only our copy confirms is not given."""
    is_asked: bool = True
    """Whether it is asked at all: not for an answer that nobody is given."""

    def form(self, predictor: RemotePredictor) -> RowForm:
        """How the predictor is sent rows: as its folder declares, or else as the client's were."""
        declared = predictor.remote.rows
        fixed = predictor.is_declared or declared is RowForm.ENCODED
        if self.is_named is None or fixed:
            return declared
        return RowForm.NAMED if self.is_named else RowForm.POSITIONAL


AS_SET = Confirming()
ALONE = Confirming(is_asked=False)


@dataclass(frozen=True)
class Heard:
    """What the predictor says of one row."""

    said: Any
    """As it came."""
    read: PredictorWord
    ours: tuple[float, ...]
    """What our copy says."""


@dataclass(eq=False)
class _Hearing:
    """Rows that the checker asks about, and what the predictor and our copy say of them."""

    model: ServedModel
    predictor: RemotePredictor
    form: RowForm
    heard: dict[bytes, Heard] = field(default_factory=dict)
    floats: list[Any] = field(default_factory=list)
    """A word that is a float, if there was one: then 1 is a number as well."""

    def gather(self, told: list[Row], rows: Rows) -> Scores:
        """Our copy's scores; the rows are kept, to be asked about together."""
        told.extend(rows)
        return self.model.deployed.predictor.score(rows)

    def score(self, rows: Rows) -> Scores:
        """The predictor's scores of ``rows``; our copy's, where it says the class alone and it is
        the same.

        Raises
        ------
        NotFinite
            If it says a number that is none.
        PredictorUnavailable, PredictorUnclear
            If it does not answer, or not in a form that can be read.
        Refusal
            If it says otherwise than our copy.
        """
        self.ask(rows)
        found = [self.of(row) for row in rows]
        return np.array([heard.read.scores or heard.ours for heard in found])

    def of(self, row: Row) -> Heard:
        return self.heard[row.tobytes()]

    def ask(self, rows: Rows) -> None:
        """Have the predictor's word on those of ``rows`` of which it is not known yet."""
        new = {row.tobytes(): row for row in rows if row.tobytes() not in self.heard}
        if not new:
            return
        asked = np.array([*new.values()])
        words = self.predictor.say(asked, self.form)
        has_copy = self.model.deployed.has_copy
        ours = self.model.deployed.predictor.score(asked) if has_copy else np.empty((len(asked), 0))
        # With one of a former request, so that all are read alike.
        words = evened([*words, *self.floats])[: len(words)]
        self.floats = [said for said in words if isinstance(alone(said), float)][:1] or self.floats
        for key, row, said, scores in zip(new, asked, words, ours.tolist(), strict=True):
            self.heard[key] = Heard(said, self._read(said, row), tuple(scores))
        if len({heard.read.scores is None for heard in self.heard.values()}) > 1:
            url = self.predictor.url
            raise PredictorUnclear(
                f"{url} says classes of some rows and numbers of others", "one of both"
            )

    def _read(self, said: Any, row: Row) -> PredictorWord:
        decision = self.model.decision
        read = read_said(said, decision)
        if read is None:
            came = f"{self.predictor.url} said {json.dumps(said)[:200]} of a row"
            raise PredictorUnclear(came, expected(decision))
        if read.scores is not None:
            multi = decision.task is Task.MULTICLASS
            names = decision.class_names if multi else ()
            finite(np.array([read.scores]), row[np.newaxis], PREDICTOR, names)
        return read


def refuse_another_model(model: ServedModel, how: Confirming) -> None:
    """Before anything is searched: what is proven of the copy is no proof of another model.

    Raises
    ------
    Refusal
        If the predictor answered reference rows as another model would.
    """
    found = model.differs
    if found is None or not how.is_asked or model.predictor is None or found.row is None:
        return
    url = model.predictor.url
    raise Refusal(
        PREDICTOR_DISAGREES,
        f"the predictor {url} says something else than {model.name} {model.version} of this "
        f"service of {found.differing} of {found.rows} reference rows: they are not the same model",
        predictor={
            "url": url,
            "row": model.schema.write(found.row),
            "said": found.said,
            "copy": list(found.ours),
        },
    )


def confirm_instance(model: ServedModel, row: Row, how: Confirming) -> None:
    """Whether the predictor says of an instance what our copy says, where that alone is told: that
    there is nothing to change.

    Raises
    ------
    As :func:`confirmed`.
    """
    # Where there is no copy, it has just said so itself.
    if model.predictor is None or not how.is_asked or not model.deployed.has_copy:
        return
    hearing = _Hearing(model, model.predictor, how.form(model.predictor))
    try:
        hearing.ask(row[np.newaxis])
        _compare(hearing, {"the instance": row})
    except (PredictorUnavailable, PredictorUnclear) as error:
        if how.must_answer or _is_demanded(model):
            raise
        logger.warning("an instance is confirmed by our copy alone: %s", error.reason)


def _is_demanded(model: ServedModel) -> bool:
    return model.rulebook.policy.get("confirmed_by") == PREDICTOR


def confirmed(
    model: ServedModel,
    request: requests.ExplanationRequest,
    reply: replies.ExplanationReply,
    how: Confirming,
) -> replies.ExplanationReply:
    """The reply, which says who confirmed it.

    Raises
    ------
    Refusal
        If the predictor denies what is claimed.
    NotFinite
        If it says a number that is none.
    PredictorUnavailable, PredictorUnclear
        If it does not say what is needed, and the policy or the door demands that it does.
    """
    if not how.is_asked:
        return reply
    demanded = _is_demanded(model)
    if model.predictor is None:
        if demanded:
            raise PredictorUnavailable(
                "the policy (policy.confirmed_by) demands that it confirms each answer, and none "
                "is named (IFONLY_PREDICTOR_HOST)"
            )
        return reply
    hearing = _Hearing(model, model.predictor, how.form(model.predictor))
    try:
        if not model.deployed.has_copy:
            return _heard_again(hearing, request, reply)
        found = _heard(hearing, request, reply)
        if demanded and found.confirmation.says == "class" and _claims_more(reply):
            url = model.predictor.url
            raise PredictorUnclear(
                f"{url} says classes, and the answer claims a probability or a score",
                expected(model.decision),
            )
    except (PredictorUnavailable, PredictorUnclear) as error:
        if demanded or how.must_answer or not model.deployed.has_copy:
            raise
        # Given all the same: at a machine an answer of the copy that says so is worth more than
        # none. Who may not have it says so in the policy.
        logger.warning("an explanation is confirmed by our copy alone: %s", error.reason)
        alone = replies.Confirmations(
            predictor=model.predictor.url, why=str(error)[: replies.MOST_WHY]
        )
        return reply.model_copy(update={"confirmation": alone})
    return found


def _claims_more(reply: replies.ExplanationReply) -> bool:
    """Whether more than a class is claimed of its rows."""
    return reply.target.probability is not None or reply.target.score is not None


def _heard(
    hearing: _Hearing, request: requests.ExplanationRequest, reply: replies.ExplanationReply
) -> replies.ExplanationReply:
    model = hearing.model
    answer = {key: told for key, told in reply.as_mapping().items() if key != "confirmation"}
    asked = request.model_dump(mode="json", by_alias=True, exclude_unset=True)
    rows: list[Row] = []
    # Once with our copy, to learn which rows are needed: the predictor is asked about all at once.
    rounding = rounding_of(model.deployed.predictor)
    own = check_answer(
        answer, asked, model.rulebook, lambda some: hearing.gather(rows, some), rounding
    )
    named = dict(_named(model, request, reply))
    hearing.ask(np.array([*named.values(), *rows]))
    _compare(hearing, named)
    if any(heard.read.scores is not None for heard in hearing.heard.values()):
        # What does not hold by our own numbers is no word of the predictor's.
        lost = {(s.title, c.name) for s in own for c in s.checks if not c.holds}
        _check(hearing, answer, asked, lost)
    return _with(reply, hearing, named)


def _heard_again(
    hearing: _Hearing, request: requests.ExplanationRequest, reply: replies.ExplanationReply
) -> replies.ExplanationReply:
    """The reply, where the predictor that was asked all along says the same once more, of other
    rows together: who changes their mind, or mixes up rows, has said nothing that can be told.

    Raises
    ------
    Refusal
        If it does not.
    PredictorUnavailable, PredictorUnclear, NotFinite
        If it does not say it.
    """
    model = hearing.model
    answer = {key: told for key, told in reply.as_mapping().items() if key != "confirmation"}
    asked = request.model_dump(mode="json", by_alias=True, exclude_unset=True)
    named = dict(_named(model, request, reply))
    # Backwards: whoever answers by place and not by row is seen to.
    hearing.ask(np.array([*named.values()])[::-1])
    for name, prediction in _told(reply):
        word = hearing.of(named[name]).read
        if word.scores is None or not _is_said(prediction, word.scores, model.decision):
            url, said = hearing.predictor.url, json.dumps(hearing.of(named[name]).said)[:200]
            before = prediction.model_dump_json(exclude_none=True)[:200]
            raise Refusal(
                PREDICTOR_DISAGREES,
                f"the predictor {url} says {said} of {name}, of which it said {before} a moment "
                "ago: it does not answer alike twice",
                predictor={"url": url, "said": hearing.of(named[name]).said},
            )
    _check(hearing, answer, asked, ())
    return _with(reply, hearing, named)


def _told(reply: replies.ExplanationReply) -> Iterator[tuple[str, replies.Prediction]]:
    """What the reply says of the rows that it tells of, by the names of :func:`_named`."""
    yield "the instance", reply.prediction
    for found in reply.counterfactuals:
        yield f"the answer of rank {found.rank}", found.prediction
    for name, found in reply.further:
        yield name, found.prediction
    if reply.relaxation is not None:
        yield "the relaxation", reply.relaxation.counterfactual.prediction


def _is_said(told: replies.Prediction, scores: Sequence[float], decision: Decision) -> bool:
    """Whether a prediction is that of ``scores``, as near as one model is to itself."""
    place = int(decision.decide(np.array([scores]))[0])
    if told.class_ != (decision.class_names[place] if place >= 0 else None):
        return False
    if decision.task is Task.REGRESSION:
        number, score = told.score, scores[0]
    elif decision.task is Task.MULTICLASS:
        number, score = told.probability, scores[place]
    else:
        is_positive = place == decision.positive
        number, score = told.probability, scores[0] if is_positive else 1.0 - scores[0]
    return number is not None and near(number, score)


def _named(
    model: ServedModel, request: requests.ExplanationRequest, reply: replies.ExplanationReply
) -> Iterator[tuple[str, Row]]:
    """The rows that the reply tells of, by what they are called."""
    yield "the instance", model.schema.read(request.instance)
    for found in reply.counterfactuals:
        yield f"the answer of rank {found.rank}", _row(model.schema, found.instance)
    for name, found in reply.further:
        yield name, _row(model.schema, found.instance)
    if reply.relaxation is not None:
        yield "the relaxation", _row(model.schema, reply.relaxation.counterfactual.instance)


def _row(schema: Schema, instance: Mapping[str, Any]) -> Row:
    return np.array([written(f, instance[f.name]) for f in schema.features])


def _compare(hearing: _Hearing, named: dict[str, Row]) -> None:
    """Whether both are one model: bounds and proofs of the copy say nothing of another one.

    Raises
    ------
    Refusal
        Of the first row of which they say something else.
    """
    names = {row.tobytes(): name for name, row in named.items()}
    decision = hearing.model.decision
    # What the reply tells of first: its name says more than that of a reading beside it.
    for key in dict.fromkeys([*names, *hearing.heard]):
        heard = hearing.heard[key]
        decided = int(decision.decide(np.array([heard.ours]))[0])
        # Numbers that are near may lie on either side of a threshold: then what is claimed of the
        # row is the checker's to say.
        is_same = heard.read.is_near(heard.ours)
        if heard.read.scores is None:
            is_same = heard.read.decided == decided
        if not is_same:
            what = names.get(key, "a row that the answer speaks of")
            _deny(hearing, what, key, "they are not the same model")


def _check(
    hearing: _Hearing,
    answer: dict[str, Any],
    asked: dict[str, Any],
    lost: Collection[tuple[str, str]],
) -> None:
    """Every check of the reply that holds by our copy's numbers (all but ``lost``), with the
    predictor's.

    Raises
    ------
    Refusal
        If one does not hold.
    """
    for section in check_answer(answer, asked, hearing.model.rulebook, hearing.score):
        for check in section.checks:
            known = check.name in OURS or (section.title, check.name) in lost
            if not (check.holds or known):
                url = hearing.predictor.url
                raise Refusal(
                    PREDICTOR_DISAGREES,
                    f"the predictor {url} does not confirm {section.title}: {check.name}: "
                    f"{check.says}",
                    predictor={"url": url, "check": check.name},
                )


def _deny(hearing: _Hearing, what: str, key: bytes, why: str) -> None:
    model, heard, url = hearing.model, hearing.heard[key], hearing.predictor.url
    ours: Sequence[float] = heard.ours
    decided = int(model.decision.decide(np.array([ours]))[0])
    name = model.decision.class_names[decided] if decided >= 0 else None
    told = f"{name}, {list(ours)}" if name is not None else str(list(ours))
    raise Refusal(
        PREDICTOR_DISAGREES,
        f"the predictor {url} says {json.dumps(heard.said)[:200]} of {what}, and {model.name} "
        f"{model.version} of this service says {told}: {why}",
        predictor={
            "url": url,
            "row": model.schema.write(np.frombuffer(key)),
            "said": heard.said,
            "copy": list(ours),
        },
    )


def _with(
    reply: replies.ExplanationReply, hearing: _Hearing, named: dict[str, Row]
) -> replies.ExplanationReply:
    """The reply with the predictor's word on each row that it tells of."""

    def word(row: Row) -> dict[str, Any]:
        heard = hearing.of(row)
        says = "class" if heard.read.scores is None else "score"
        return {"by": PREDICTOR, "says": says, "said": heard.said}

    def told(found: replies.Counterfactual) -> replies.Counterfactual:
        row = _row(hearing.model.schema, found.instance)
        return found.model_copy(update={"confirmation": replies.Confirmation(**word(row))})

    ways = None
    if reply.ways is not None:
        ways = [
            way
            if way.counterfactual is None
            else way.model_copy(update={"counterfactual": told(way.counterfactual)})
            for way in reply.ways
        ]
    menu = reply.menu
    if menu is not None:
        sets = [
            some
            if some.counterfactual is None
            else some.model_copy(update={"counterfactual": told(some.counterfactual)})
            for some in menu.sets
        ]
        menu = menu.model_copy(update={"sets": sets})
    relaxation = reply.relaxation
    if relaxation is not None:
        relaxation = relaxation.model_copy(
            update={"counterfactual": told(relaxation.counterfactual)}
        )
    return reply.model_copy(
        update={
            "confirmation": replies.Confirmations(
                **word(named["the instance"]),
                predictor=hearing.predictor.url,
                rows=len(hearing.heard),
            ),
            "counterfactuals": [told(found) for found in reply.counterfactuals],
            "ways": ways,
            "menu": menu,
            "relaxation": relaxation,
        }
    )
