"""An exported answer, checked: the JSON of a reply, or of its record, against the documents.

Everything that a reply claims and that rows can show is recomputed; that nothing cheaper exists
is the search's proof, and is held here only against what the reply itself and the reference rows
say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.explainers.errors import ExplainError
from ifonly.explainers.terms import WayName
from ifonly.explainers.verify.checker import Checker, Proposal, Score
from ifonly.explainers.verify.course import arrived, trajectory
from ifonly.explainers.verify.failed import FailedPart
from ifonly.explainers.verify.goal import ScoreGoal
from ifonly.explainers.verify.limits import leaves_one
from ifonly.explainers.verify.menu import ToldMenu, joint_box
from ifonly.explainers.verify.reading import exact, near, same, written
from ifonly.explainers.verify.report import Check, GraphMargins, Report, mixture
from ifonly.explainers.verify.rulebook import (
    BACKTRACKING,
    INDEPENDENT,
    INTERVENTIONAL,
    Asked,
    Rulebook,
)
from ifonly.explainers.verify.ways import ToldWays
from ifonly.explainers.verify.word import SCORED, predicted, scored
from ifonly.models.errors import InvalidInstance
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.said import read_said
from ifonly.models.schema import Schema

Json = Mapping[str, Any]

DEMANDS = ("policy.target.probability", "target.probability")
"""Keys of a probability that was demanded, by the policy and by a request."""
COPY, PREDICTOR = "copy", "predictor"
"""Who confirms answers: our own model, or the process in which it is deployed."""
FOUND, NONE_FOUND = ("optimal", "feasible"), ("infeasible", "unknown", "abstained")


@dataclass(frozen=True)
class Section:
    """What was checked of one part of an answer."""

    title: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


class NotAnAnswer(ValueError):
    """The JSON is no answer to an explanation of this model; the message says why."""


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
    try:
        return list(_Answer(answer, request, book, score, rounding).sections())
    except InvalidInstance as error:
        raise NotAnAnswer(str(error)) from error
    # Before its bases below, so that its own message stays.
    except NotAnAnswer:
        raise
    except ExplainError as error:
        raise NotAnAnswer(str(error)) from error
    # The JSON comes from outside: whatever it lacks is said in one way.
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise NotAnAnswer(f"a part is missing or misshapen: {error!r}") from error


def check_what_if(
    answer: Json, request: Json | None, book: Rulebook, score: Score
) -> list[Section]:
    """Every check of what an exported what-if says of time; its parameters and errors are those of
    :func:`check_answer`."""
    try:
        schema = book.schema
        settings = {a["feature"]: a["to"] for a in answer["actions"]}
        before = {p["feature"]: p["from"] for p in (*answer["actions"], *answer["effects"])}
        instance, over = {**answer["instance"], **before}, None
        if request is not None:
            settings, instance, over = request["set"], request["instance"], request["over"]
        factual = tuple(schema.read(instance).tolist())
        acted = {schema.index(n): schema[n].read(value) for n, value in settings.items()}
        if book.passing is None:
            no_time = Check("time", False, "the model's causal file has no time")
            return [Section("trajectory", (no_time,))]
        said = answer["trajectory"]
        checks = trajectory(
            said, book.passing, schema, book.decision, factual, acted, score, over, book.limits
        )
        return [Section("trajectory", tuple(checks))]
    except InvalidInstance as error:
        raise NotAnAnswer(str(error)) from error
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise NotAnAnswer(f"a part is missing or misshapen: {error!r}") from error


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

    def _factual(self) -> tuple[float, ...]:
        if self._request is not None:
            return tuple(self._schema.read(self._request["instance"]).tolist())
        # Without the request: from what the answer itself says was read before.
        for found in self._told():
            was = {part["feature"]: part["from"] for part in _moving(found)}
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
        yield Section("claim", (*self._claim(), *self._all_doubts(), *self._all_graphs()))

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
        yield from self._confirmation(scores)

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
            # An answer of before says nothing of it.
            and said.get("robust", bool(survival)) is bool(survival)
        )
        every = ", whatever the sensors read" if survival else ""
        asked = f"{wanted} in [{goal.low}, {goal.high}]{every}"
        return Check("target", fits, f"{asked} is asked for: {said}")

    def _predicted(self, said: Json, scores: Sequence[float]) -> Check:
        return predicted(said, scores, self._book.decision)

    # --- who confirmed it -----------------------------------------------------------------

    def _confirmation(self, scores: Sequence[float]) -> Iterator[Check]:
        """Check that it was confirmed by whom it says, and whom the policy demands; an answer of
        before tells nothing of it."""
        whole = self._answer.get("confirmation")
        demanded = self._book.policy.get("confirmed_by") == PREDICTOR
        if whole is None:
            if demanded:
                yield Check("confirmed_by", False, "the policy demands a predictor; nobody is told")
            return
        asked, told = whole["by"] == PREDICTOR, len(list(self._told()))
        named, why, rows = whole["predictor"], whole["why"], whole["rows"]
        # A predictor that is named either confirmed all of it, or there is a reason.
        fits = isinstance(named, str) and why is None and rows > told
        if not asked:
            fits = (named is None) is (why is None) and rows == 0
        says = f"by {whole['by']}: {named} asked about {rows} rows, {why or 'no reason given'}"
        yield Check("confirmation", fits, says)
        yield self._confirmed(whole, scores, None)
        if demanded:
            # A class says nothing of a probability.
            more = self._answer["target"].keys() & {"probability", "score"}
            fits = asked and not (more and whole["says"] == "class")
            yield Check("confirmed_by", fits, f"{says}; the policy demands a predictor")

    def _of_row(self, found: Json, scores: Sequence[float], goal: ScoreGoal) -> Iterator[Check]:
        """The same of one counterfactual: whoever confirmed the answer confirmed it too."""
        said, whole = found.get("confirmation"), self._answer.get("confirmation")
        if said is None or whole is None:
            return
        fits = (said["by"], said["says"]) == (whole["by"], whole["says"])
        yield Check("confirmation", fits, f"by {said['by']}, the answer by {whole['by']}")
        yield self._confirmed(said, scores, goal)

    def _confirmed(self, said: Json, scores: Sequence[float], goal: ScoreGoal | None) -> Check:
        """Check that the predictor said of a row what our model says, ``scores``, and, of an
        answer, that it meets ``goal`` by what it said."""
        by, says, word = said["by"], said["says"], said["said"]
        if by != PREDICTOR:
            fits = by == COPY and says is None and word is None
            return Check("confirmed", fits, f"by {by}, which says {says}: {word}")
        decision = self._book.decision
        read = read_said(word, decision)
        if read is None:
            return Check("confirmed", False, f"{word!r} is no word on a row")
        ours = int(decision.decide(np.array([scores]))[0])
        if read.scores is None:
            fits = says == "class" and read.decided == ours
        else:
            fits = says == "score" and read.is_near(tuple(scores))
            fits = fits and (goal is None or goal.met(list(read.scores)))
        return Check("confirmed", fits, f"{by} says {word}, the deployed model here {scores}")

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
        yield from self._steps(found)
        yield self._complete(found, action, row)
        yield from self._doubts(found)
        if report.scores:
            yield self._predicted(found["prediction"], report.scores)
            yield from self._follows(found, report)
            yield from self._of_row(found, report.scores, checker.terms.goal)
            # The graph that is told to be the worst is that of the first; a relaxation has none.
            first = next(iter(self._answer["counterfactuals"]), None)
            if found is first and self._has_graph:
                yield self._decides(report)
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

    def _steps(self, found: Json) -> Iterator[Check]:
        """Check ``from``, ``to`` and ``delta`` of all that is set or follows.

        ``from`` is the factual's value, ``to`` of what follows is the row's, and ``delta`` is the
        difference in decimals.
        """
        told = self._schema.by_column(found["instance"])
        for part in found["effects"]:
            name = part["feature"]
            fits = part["to"] == told[name]
            yield Check("to", fits, f"{name} to {part['to']}; the row: {told[name]}")
        for part in _moving(found):
            feature = self._schema[part["feature"]]
            value, now = (written(feature, part[end]) for end in ("from", "to"))
            was = self._checker.factual[self._schema.index(feature.name)]
            yield Check("from", same(value, was), f"{feature.name} was {value}; read: {was}")
            delta = None
            if not (feature.kind.is_categorical or math.isnan(value) or math.isnan(now)):
                # In decimals, as a person subtracts: 308.2 - 300.3 is 7.9.
                delta = float(exact(now) - exact(value))
            fits = part.get("delta") == delta
            yield Check("delta", fits, f"{feature.name}: {part.get('delta')} told, {delta} is")

    def _complete(self, found: Json, action: Sequence[float], row: Sequence[float]) -> Check:
        """Whether every feature that reads otherwise is told of, and none is told of that does
        not move."""
        names, was = self._schema.names, self._checker.factual
        told = {part["feature"] for part in _moving(found)}
        moving = {n for n, a, r, w in zip(names, action, row, was, strict=True)
                  if not (same(a, w) and same(r, w))}  # fmt: skip
        # Told as set must be exactly what differs in the action.
        held = {n for n, a, w in zip(names, action, was, strict=True) if not same(a, w)}
        fits = moving <= told and sorted(a["feature"] for a in found["actions"]) == sorted(held)
        return Check("told", fits, f"{sorted(moving)} move, {sorted(told)} told")

    def _doubts(self, found: Json) -> Iterator[Check]:
        """Check that what it rests on that had failed is told, and nothing else; an answer of
        before tells nothing of it."""
        if "doubts" not in found:
            return
        columns = [self._schema.index(a["feature"]) for a in found["actions"]]
        said = [(d["check"], *d["features"]) for d in found["doubts"]]
        rests = [self._named(part) for part in self._rested_on(columns)]
        yield Check("doubts", said == rests, f"{said} told; rests on {rests}")

    def _rested_on(self, columns: Sequence[int]) -> list[FailedPart]:
        terms, laws = self._checker.terms, self._book.laws
        if laws is None or terms.what_follows is None:
            return []
        return laws.rested_on(columns, terms.is_history)

    def _named(self, part: FailedPart) -> tuple[str, ...]:
        return (part.check, *(self._schema.names[j] for j in part.columns))

    def _all_doubts(self) -> Iterator[Check]:
        """Check what the whole answer tells of it: what its counterfactuals do; where it has none,
        what had failed at all."""
        if "doubts" not in self._answer:
            return
        told = self._answer["counterfactuals"]
        said = {(d["check"], *d["features"]) for d in self._answer["doubts"]}
        own = {(d["check"], *d["features"]) for found in told for d in found["doubts"]}
        each = ([j] for j in range(len(self._schema)))
        known = {self._named(part) for j in each for part in self._rested_on(j)}
        fits = said == own if told else said <= known
        yield Check("doubts", fits, f"{sorted(said)} told; {sorted(own or known)} are")

    def _all_graphs(self) -> Iterator[Check]:
        """Check that every graph that the documents hold possible is told, as its weight is and
        whether answers must hold under it, and which decides."""
        laws, terms = self._book.laws, self._checker.terms
        if laws is None or terms.what_follows is None:
            return
        asked = () if terms.is_history else laws.others
        causal, first = self._answer["causal"], next(iter(self._answer["counterfactuals"]), None)
        main = ("main", 1.0 - sum(o.weight for o in asked), True)
        known = [main, *((o.name, o.weight, o.is_held) for o in asked)] if asked else []
        said = causal.get("graphs") or []
        fits = len(said) == len(known) and all(
            (told["name"], told["held"]) == (name, held) and near(told["weight"], weight)
            for told, (name, weight, held) in zip(said, known, strict=True)
        )
        names = [told["name"] for told in said]
        yield Check("graphs", fits, f"{names} told; {known} are declared")
        decides = causal.get("deciding_graph")
        if decides is not None:
            yield Check("graphs", decides in names[1:], f"{decides} is told to decide")
        if first is None:
            return
        # Of an answer after which nothing follows by any graph no graph is asked.
        own = (first.get("assurance") or {}).get("graphs") or []
        chances = [told["chance"] for told in own] or [None] * len(said)
        fits = [told["chance"] for told in said] == chances
        yield Check("graphs", fits, f"{[told['chance'] for told in said]}; the first: {chances}")
        by_main = causal.get("cost_by_main_graph")
        if by_main is not None:
            fits = 0.0 <= by_main < first["cost"]
            yield Check("graphs", fits, f"{by_main} by the main graph alone, below {first['cost']}")

    def _decides(self, report: Report) -> Check:
        """Whether the graph that is told to be the worst is one under which the margin is least
        sure."""
        said, least = self._answer["causal"].get("worst_graph"), dict[str | None, float]()
        for graph in report.graphs:
            least[graph.name] = graph.lower
        fits = (
            (said is None) if not least else scored(least.get(said, math.inf), min(least.values()))
        )
        return Check("graphs", fits, f"{said} is told to be the worst, of {least}")

    def _follows(self, found: Json, report: Report) -> Iterator[Check]:
        """Check what leads to each effect, and how many plausible versions of the laws flip.

        A version within the rounding of the limit may be on either side of it.
        """
        names = self._schema.names
        for part in found["effects"]:
            ways = [names[i] for i in report.via.get(self._schema.index(part["feature"]), ())]
            told = f"{part['feature']} from {part['via']}, by the graph from {ways}"
            yield Check("via", part["via"] == ways, told)
        if found.get("assurance") is not None and report.margins:
            chance = found["assurance"]["chance_under_this_model"]
            low, high = _over_all(report)
            told = f"{chance} of {len(report.margins)} versions claimed, {low} to {high} do"
            yield Check("chance", _between(low, chance, high), told)
            yield self._graphs(found["assurance"].get("graphs"), report.graphs)
            yield from self._later(found["assurance"].get("when_carried_out"), report)

    def _later(self, said: Json | None, report: Report) -> Iterator[Check]:
        """Check what is told of when it is carried out."""
        known = report.chance_later
        if said is None and known is None:
            return
        if said is None or known is None:
            yield Check("chance", False, f"{said} told of when it is carried out; {known} is")
            return
        told = f"{said['chance']} when it is carried out, {known.low} to {known.high} do"
        yield Check("chance", _between(known.low, said["chance"], known.high), told)
        laws = self._book.laws
        each = () if laws is None or laws.lasting is None else laws.lasting.each
        names = [self._schema.names[kept.column] for kept in each]
        told = f"{said['drawn_anew']} told to be drawn anew; {names} are"
        yield Check("chance", said["drawn_anew"] == names, told)

    def _graphs(self, said: Sequence[Json] | None, known: Sequence[GraphMargins]) -> Check:
        """Whether every graph that may be the true one is told, and how sure the answer is under
        each."""
        ends = [(g.name, g.weight, *_shares(g.margins)) for g in known]
        fits = len(said or ()) == len(ends) and all(
            told["name"] == name
            and near(told["weight"], weight)
            and _between(low, told["chance"], high)
            for told, (name, weight, low, high) in zip(said or (), ends, strict=True)
        )
        return Check(
            "graphs", fits, f"{said} told; name, weight, least and greatest chance: {ends}"
        )

    @property
    def _has_graph(self) -> bool:
        """Whether a causal graph says what follows, and not only a window's profiles."""
        follows = self._checker.terms.what_follows
        return follows is not None and follows is not self._book.moves

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


def _shares(margins: Sequence[float]) -> tuple[float, float]:
    """Least and greatest share of versions that flip: those within rounding of the edge may."""
    low, high = (sum(m >= end for m in margins) / len(margins) for end in (SCORED, -SCORED))
    return low, high


def _over_all(report: Report) -> tuple[float, float]:
    """The same over all graphs, by their weights."""
    if not report.graphs:
        return _shares(report.margins)
    each, weights = [_shares(g.margins) for g in report.graphs], [g.weight for g in report.graphs]
    low, high = (mixture(ends, weights) for ends in zip(*each, strict=True))
    return low, high


def _between(low: float, said: float, high: float) -> bool:
    """Up to the rounding of sums."""
    return low <= said <= high or near(said, low) or near(said, high)


def _ranked(found: Json, place: int) -> Check:
    return Check("rank", found["rank"] == place + 1, f"{found['rank']}, in place {place + 1}")


def _moving(found: Json) -> list[Json]:
    """All that is set or follows. What is set and goes on following stands in both."""
    return [*found["effects"], *found["actions"]]


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
