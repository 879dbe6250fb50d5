"""An exported answer, checked: the JSON of a reply, or of its record, against the documents.

Everything that a reply claims and that rows can show is recomputed; that nothing cheaper exists
is the search's proof, and is held here only against what the reply itself and the reference rows
say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ifonly.explainers.terms import WayName
from ifonly.explainers.verify.causal_claims import CausalClaims
from ifonly.explainers.verify.checker import Checker, Score
from ifonly.explainers.verify.confirmation import ToldConfirmation
from ifonly.explainers.verify.course import arrived
from ifonly.explainers.verify.drafts import Proposal
from ifonly.explainers.verify.limits import leaves_one
from ifonly.explainers.verify.menu import ToldMenu, joint_box
from ifonly.explainers.verify.reading import near, written
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.rulebook import (
    BACKTRACKING,
    INDEPENDENT,
    INTERVENTIONAL,
    Asked,
    Rulebook,
)
from ifonly.explainers.verify.sections import Json, NotAnAnswer, Section, refusing_other_json
from ifonly.explainers.verify.told_moves import all_told, moving, steps
from ifonly.explainers.verify.ways import ToldWays
from ifonly.explainers.verify.word import predicted
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Schema

DEMANDS = ("policy.target.probability", "target.probability")
"""Keys of a probability that was demanded, by the policy and by a request."""
FOUND, NONE_FOUND = ("optimal", "feasible"), ("infeasible", "unknown", "abstained")


def check_answer(
    answer: Json,
    request: Json | None,
    book: Rulebook,
    score: Score,
    rounding: Rounding = UNKNOWN,
) -> list[Section]:
    """Every check of an exported answer, part by part.

    Parameters
    ----------
    answer : mapping
        The JSON of a reply, or of its record.
    request : mapping, optional
        What was asked. None: it is not known, so that only the model's own documents are held
        against the answer, and the section ``question`` says so.
    book : Rulebook
    score : callable
        The deployed model: rows, shape (n, n_features), to scores.
    rounding : Rounding
        Of the model's scores: what does not say that it rests on it must hold whatever it is.

    Raises
    ------
    NotAnAnswer
        If parts of it are missing, or speak of other features.
    GraphError
        If the model cannot score rows.
    """
    with refusing_other_json():
        return list(_Answer(answer, request, book, score, rounding).sections())


class _Answer:
    """One answer with its question."""

    def __init__(
        self,
        answer: Json,
        request: Json | None,
        book: Rulebook,
        score: Score,
        rounding: Rounding,
    ) -> None:
        self._answer = answer
        self._rounding = rounding
        self._request = request
        self._book = book
        self._score = score
        self._schema = book.schema
        asked = _asked(answer, request)
        self._checker = Checker(book.terms(asked), self._factual(), score, tells_all=True)
        self._causal = CausalClaims(answer, self._checker, book)
        self._confirmed = ToldConfirmation(answer, book)

    def _factual(self) -> tuple[float, ...]:
        if self._request is not None:
            return tuple(self._schema.read(self._request["instance"]).tolist())
        # Without the request: from what the answer itself says was read before.
        for found in self._told():
            was = {part["feature"]: part["from"] for part in moving(found)}
            return tuple(self._schema.restored(found["instance"], was).tolist())
        raise NotAnAnswer("it holds no counterfactual, so its question must be given too")

    def _told(self) -> Iterator[Json]:
        """Every row that it tells of."""
        yield from self._answer["counterfactuals"]
        if self._answer.get("relaxation") is not None:
            yield self._answer["relaxation"]["counterfactual"]

    def sections(self) -> Iterator[Section]:
        yield Section("question", tuple(self._question()))
        for k, found in enumerate(self._answer["counterfactuals"]):
            # An alternative is held against the terms that it was found under.
            checks = (_ranked(found, k), *self._counterfactual(found, self._further(k)),
                      *self._arrives(found, self._further(k)))  # fmt: skip
            yield Section(f"counterfactual {found['rank']}", checks)
        yield from self._ways()
        yield from self._menu()
        relaxation = self._answer.get("relaxation")
        if relaxation is not None:
            under = self._relaxed(relaxation)
            found, lifted = (
                relaxation["counterfactual"],
                self._known("lifted", relaxation["lifted"]),
            )
            checks = (lifted, _ranked(found, 0), *self._counterfactual(found, under))
            yield Section("relaxation", checks)
        yield Section(
            "claim", (*self._claim(), *self._causal.doubts_of_all(), *self._causal.graphs_of_all())
        )

    def _ways(self) -> Iterator[Section]:
        """The named ways, where they are told; they are told where they were asked for and
        something was found."""
        told, found = self._answer.get("ways"), self._answer["counterfactuals"]
        if self._request is not None:
            asked = bool(self._request.get("ways")) and bool(found)
            says = f"{'told' if told is not None else 'not told'}, {asked=}"
            yield Section("ways asked", (Check("ways", (told is not None) is asked, says),))
        if told is None or not found:
            return
        ways = ToldWays(tuple(told), found[0], self._checker, self._book.tolerances)
        yield Section("ways", tuple(ways.checks()))
        for way in told:
            own, under = way.get("counterfactual"), ways.under(way)
            if own is None and way["name"] == WayName.SMALLEST:
                # Shown above: here what it survives besides.
                yield Section(
                    f"way {WayName.SMALLEST}", tuple(self._counterfactual(found[0], under))
                )
            if own is not None:
                checks = (
                    _ranked(own, 0),
                    *self._counterfactual(own, under),
                    *self._arrives(own, under),
                )
                yield Section(f"way {way['name']}", checks)

    def _menu(self) -> Iterator[Section]:
        """The menu of levers, where it is told, and joint boxes only where they were asked for."""
        told, asked = self._answer.get("menu"), None
        if self._request is not None:
            asked = self._request.get("menu")
            wanted = asked is not None and self._answer["status"] != "already_target"
            says = f"{'told' if told is not None else 'not told'}, asked: {asked}"
            checks = [Check("menu", (told is not None) is wanted, says)]
            boxes = sum(f.get("joint_box") is not None for f in self._answer["counterfactuals"])
            wanted = bool(self._request.get("joint_box"))
            checks.append(Check("joint box", wanted or not boxes, f"{boxes} told, {wanted=}"))
            yield Section("beside", tuple(checks))
        if told is None:
            return
        menu = ToldMenu(told, self._checker, self._answer["counterfactuals"])
        yield Section("menu", tuple(menu.checks(asked)))
        for some in told["sets"]:
            own = some.get("counterfactual")
            if own is not None:
                under = menu.under(some)
                checks = [_ranked(own, 0), *self._counterfactual(own, under)]
                checks += self._arrives(own, under)
                yield Section(f"levers {', '.join(some['levers'])}", tuple(checks))

    # --- the question ---------------------------------------------------------------------

    def _question(self) -> Iterator[Check]:
        known = self._request is not None
        told = "the request is at hand" if known else "not given: only the model's own rules count"
        yield Check("request", True, told)
        yield from self._as_asked()
        yield self._aim()
        scores = self._score(np.array([self._checker.factual]))[0].tolist()
        yield self._predicted(self._answer["prediction"], scores)
        yield from self._confirmed.of_answer(scores, len(list(self._told())))

    def _as_asked(self) -> Iterator[Check]:
        """Check that the semantics and the seed are the request's, where it names them."""
        if self._request is None:
            return
        said, seed = self._answer["semantics"], self._answer["provenance"]["seed"]
        # Left out, the service chose, and the answer says what.
        asked = self._request.get("semantics") or said
        yield Check("semantics", said == asked, f"{said}, {asked} is asked for")
        own = self._checker.terms.seed
        yield Check("seed", seed == own, f"{seed}, {own} is asked for")

    def _aim(self) -> Check:
        goal, said = self._checker.terms.goal, self._answer["target"]
        survival = self._checker.terms.survival
        ends = said.get("score") if goal.wanted is None else said.get("probability")
        low, high = (ends or {}).get("min"), (ends or {}).get("max")
        wanted = None if goal.wanted is None else self._book.decision.class_names[goal.wanted]
        # What is said must be what was asked for; what it means is checked row by row.
        fits = (
            said.get("class") == wanted
            and (-math.inf if low is None else low) == goal.low
            and (math.inf if high is None else high) == goal.high
            # Older answers do not say.
            and said.get("robust", bool(survival)) is bool(survival)
        )
        every = ", whatever the sensors read" if survival else ""
        asked = f"{wanted} in [{goal.low}, {goal.high}]{every}"
        return Check("target", fits, f"{asked} is asked for: {said}")

    def _predicted(self, said: Json, scores: Sequence[float]) -> Check:
        return predicted(said, scores, self._book.decision)

    # --- one counterfactual ---------------------------------------------------------------

    def _further(self, k: int) -> Checker:
        """For the answer in place ``k``: it leaves one lever of each before it alone."""
        checker = self._checker
        for before in self._answer["counterfactuals"][:k]:
            columns = frozenset(self._schema.index(a["feature"]) for a in before["actions"])
            checker = checker.excluding(leaves_one(columns))
        return checker

    def _relaxed(self, relaxation: Json) -> Checker:
        terms, key = self._checker.terms, relaxation["lifted"]["key"]
        # The demand is the target's, not one of the limits.
        if key in DEMANDS:
            return self._checker.under(terms.aiming(terms.goal.alone))
        return self._checker.under(terms.without(key))

    def _counterfactual(self, found: Json, checker: Checker) -> Iterator[Check]:
        action = self._action(found)
        # Unless it says that it rests on rounding, it must hold in every session.
        if not found.get("rests_on_rounding", False):
            checker = checker.firm(self._rounding)
        values = self._values(found)
        row = [written(f, values[f.name]) for f in self._schema.features]
        report = checker.check(Proposal(action, row, float(found["cost"])))
        yield from report.checks
        yield from steps(found, self._checker.factual, self._schema)
        yield all_told(found, self._checker.factual, action, row, self._schema)
        yield from self._causal.doubts_of(found)
        if report.scores:
            yield self._predicted(found["prediction"], report.scores)
            yield from self._causal.what_follows(found, report)
            yield from self._confirmed.of_row(found, report.scores, checker.terms.goal)
            # The graph that is told to be the worst is that of the first; a relaxation has none.
            first = next(iter(self._answer["counterfactuals"]), None)
            if found is first and self._causal.has_graph:
                yield self._causal.worst_graph(report)
        if found.get("lower_bound") is not None:
            yield checker.bounded(found["cost"], found["lower_bound"])
        yield self._gap(found)
        yield from self._ranges(found, action, checker)
        yield from joint_box(found, action, checker)

    def _values(self, found: Json) -> Json:
        """What is told of each column; of one that no sensor reads what it is set to."""
        schema, told = self._schema, self._schema.by_column(found["instance"])
        set_ = {
            a["feature"]: a["to"]
            for a in found["actions"]
            if schema.index(a["feature"]) in schema.unread
        }
        return {**told, **set_}

    def _action(self, found: Json) -> list[float]:
        action = list(self._checker.factual)
        for setting in found["actions"]:
            j = self._schema.index(setting["feature"])
            action[j] = written(self._schema.features[j], setting["to"])
        return action

    @property
    def _tells_when(self) -> bool:
        """Whether the answer may say when it has its whole effect."""
        terms = self._checker.terms
        return terms.what_follows is not None and not terms.is_history

    def _arrives(self, found: Json, checker: Checker) -> Iterator[Check]:
        if not self._tells_when:
            return
        settings = {
            j: written(self._schema.features[j], part["to"])
            for part in found["actions"]
            for j in [self._schema.index(part["feature"])]
        }
        said, passing = found.get("arrives"), self._book.passing
        factual, goal = self._checker.factual, checker.terms.goal
        yield from arrived(said, passing, factual, settings, self._score, goal)

    def _gap(self, found: Json) -> Check:
        if found["lower_bound"] is None:
            return Check("gap", found["gap"] is None, f"{found['gap']} claimed, of no bound")
        cost, bound = float(found["cost"]), float(found["lower_bound"])
        gap = 0.0 if cost <= bound else (cost - bound) / cost
        return Check("gap", near(float(found["gap"]), gap), f"{found['gap']} claimed, {gap} is")

    def _ranges(self, found: Json, action: Sequence[float], checker: Checker) -> Iterator[Check]:
        """Each end of a range holds, all else as in the answer; and none is cheaper than what is
        claimed to be the cheapest."""
        for setting in found["actions"]:
            ends = setting.get("sufficient_range")
            if ends is not None:
                low, high = ends
                told = f"{setting['feature']}: {setting['to']} in [{low}, {high}]"
                yield Check("range", low <= setting["to"] <= high, told)
        ends = list(_ends(found, self._schema))
        # The same checks as of an answer: an end is a claim that this value would do too.
        reports = checker.check_all([Proposal(_with(action, j, end)) for j, end in ends])
        for (j, end), report in zip(ends, reports, strict=True):
            name = self._schema.names[j]
            told = "; ".join(report.reasons) or f"costs {report.cost}"
            yield Check("range", report.holds, f"{name} = {end}: {told}")
            bound = found.get("lower_bound")
            if report.holds and bound is not None:
                yield checker.bounded(report.cost, bound)._replace(name="cheapest")

    # --- the claim ------------------------------------------------------------------------

    def _claim(self) -> Iterator[Check]:
        status, found = self._answer["status"], self._answer["counterfactuals"]
        for blocker in self._answer["blocked_by"]:
            yield self._known("blocked_by", blocker)
        if status in FOUND:
            yield from self._found(status, found)
        elif status in NONE_FOUND:
            yield Check("status", not found, f"{status}, with {len(found)} counterfactuals")
            if status == "infeasible":
                yield self._uncontradicted(math.inf, list(self._lifted()))
        elif status == "already_target":
            goal = self._checker.terms.goal
            scores = self._score(np.array([self._checker.factual]))[0].tolist()
            # What the policy demands is demanded of a change, not of a factual.
            fits = not found and goal.alone.met(scores)
            yield Check("status", fits, f"already there, scored {scores}")
        else:
            yield Check("status", False, f"{status} is none")

    def _lifted(self) -> Iterator[list[float]]:
        """What would do if one limit were lifted; of a limit of a request that is not at hand,
        nothing can be said."""
        relaxation = self._answer.get("relaxation")
        if relaxation is None:
            return
        if self._request is not None or relaxation["lifted"]["source"] != "request":
            yield self._action(relaxation["counterfactual"])

    def _found(self, status: str, found: Sequence[Json]) -> Iterator[Check]:
        """What is claimed of the first answer, held against the others and the rows at hand."""
        first = found[0] if found else {}
        proven = first.get("gap") == 0.0
        fits = bool(first) and proven is (status == "optimal")
        yield Check("status", fits, f"{status}, with a gap of {first.get('gap')}")
        if first.get("lower_bound") is not None:
            others = [self._action(other) for other in found[1:]]
            yield self._uncontradicted(float(first["lower_bound"]), others)

    def _known(self, name: str, told: Json) -> Check:
        """Whether what is said to be in the way is demanded by the documents at all. What a
        request demands is not known where it is not at hand."""
        key = told["key"]
        fits = key in self._checker.terms.keys or key in DEMANDS
        if self._request is None:
            fits = fits or told["source"] == "request"
        return Check(name, fits, f"{key}, which {'is' if fits else 'nobody has'} declared")

    def _uncontradicted(self, bound: float, others: Sequence[Sequence[float]]) -> Check:
        """Check that nothing cheaper is allowed and flips: neither the answer itself nor a row
        seen in service."""
        references = self._book.references
        # What the request forbids besides is not known where it is not at hand.
        seen = [] if references is None or self._request is None else references.tolist()
        refuted = self._checker.contradicted(bound, [*others, *seen])
        told = f"none of {len(others) + len(seen)} rows at hand is allowed, flips and costs less"
        if refuted is not None:
            told = f"{list(refuted.action)} is allowed, flips and costs {refuted.cost}"
        return Check("cheapest", refuted is None, told)


def _asked(answer: Json, request: Json | None) -> Asked:
    """The request; without it, what the reply says that a request said of the target."""
    semantics = answer["semantics"]
    if semantics not in (INDEPENDENT, INTERVENTIONAL, BACKTRACKING):
        raise NotAnAnswer(f"its semantics are {semantics!r}")
    if request is not None:
        asked, seed = request.get("constraints") or {}, int(request.get("seed") or 0)
        return Asked(request.get("target"), asked, semantics, seed)
    said = answer["target"]
    # What the policy demands is read from the policy.
    kept = ("class",) if said["source"] == "policy" else ("class", "probability", "score")
    target = {key: said[key] for key in kept if said.get(key)}
    if said["source"] == "request" and "probability" not in target and "class" in target:
        target["probability"] = {}  # the decision alone was asked for
    by_request = said.get("robust_source") == "request"
    constraints = {"robust": said["robust"]} if by_request else {}
    return Asked(target, constraints, semantics, int(answer["provenance"]["seed"]))


def _ranked(found: Json, place: int) -> Check:
    return Check("rank", found["rank"] == place + 1, f"{found['rank']}, in place {place + 1}")


def _ends(found: Json, schema: Schema) -> Iterator[tuple[int, float]]:
    for setting in found["actions"]:
        j = schema.index(setting["feature"])
        for end in setting.get("sufficient_range") or ():
            if end != setting["to"]:
                yield j, written(schema.features[j], end)


def _with(action: Sequence[float], column: int, value: float) -> list[float]:
    found = list(action)
    found[column] = value
    return found
