"""``ifonly causal value``: what would have come of always doing this, or of what a policy says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal.effect import LEAST_ROWS
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimate
from ifonly.explainers.causal.policy_value import PolicyValue
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import percentage
from ifonly.service.doors.cli.causal import Folder, Seed
from ifonly.service.doors.cli.causal_kinds import with_interval
from ifonly.service.doors.cli.causal_logs import (
    NO_SKLEARN,
    ActionColumn,
    Also,
    Causes,
    Hidden,
    LogFile,
    MovedFeature,
    Outcome,
    read_log,
)
from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.offline.compared_rows import UnreadableRows
from ifonly.service.offline.values_of_policies import AskedValue, PolicyValuesFound, find_values
from ifonly.service.words import advice_effects as words


class Better(StrEnum):
    """Which outcomes are wanted."""

    HIGHER = "higher"
    LOWER = "lower"


def value(
    folder: Folder,
    data: LogFile,
    outcome: Outcome,
    better: Annotated[Better, typer.Option("--better", help="Which outcomes are wanted.")],
    feature: MovedFeature = "",
    action: ActionColumn = "",
    before: Annotated[
        str,
        typer.Option("--from", help="One action: a range (58..70), a number, a category."),
    ] = "",
    after: Annotated[
        str, typer.Option("--to", help="The other. Default: every category is an action.")
    ] = "",
    advised: Annotated[
        str, typer.Option("--advised", help="Column: what a policy advised in each row.")
    ] = "",
    when: Annotated[
        str,
        typer.Option(
            "--when", help="A policy: --to where this rule holds ('tool_wear >= 150'), else --from."
        ),
    ] = "",
    causes: Causes = "",
    also: Also = "",
    hidden: Hidden = "",
    seed: Seed = 0,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """What the outcome would have been under other policies, beside what was done: from logged
    rows, doubly robust, each row by predictions that did not see it."""
    if bool(before) is not bool(after):
        raise Failure("--from and --to are given together, or neither")
    log = read_log(
        folder, data, outcome, feature, action,
        causes=causes, also=also, hidden=hidden, beside=[advised] if advised else [],
    )  # fmt: skip
    if advised and advised not in log.table.others:
        raise Failure(f"--advised {advised} is a feature: a column beside the features is needed")
    asked = AskedValue(
        log.moved,
        outcome,
        better is Better.HIGHER,
        (before, after) if before else None,
        log.causes,
        log.also,
        log.hidden,
        advised,
        when,
    )
    try:
        found = find_values(log.table, log.spec, asked, seed)
    except (NotIdentified, UnreadableRows) as error:
        raise Failure(str(error)) from None
    except ModuleNotFoundError:
        raise Failure(NO_SKLEARN) from None
    if as_json:
        print_json(_as_json(found, asked))
    else:
        _show(found, languages_of(lang))


def _as_json(found: PolicyValuesFound, asked: AskedValue) -> dict[str, Any]:
    values = found.found
    return {
        "outcome": asked.outcome,
        "better": "higher" if asked.is_higher_better else "lower",
        "held": list(found.held),
        "actions": [
            {"action": name, "rows": n, "propensity_by_tenths": list(tenths)}
            for name, n, tenths in zip(found.actions, found.counts, values.propensity, strict=True)
        ],
        "rows": values.rows,
        "trimmed": values.trimmed,
        "rows_with_gaps": found.gaps,
        "rows_of_other_actions": found.others,
        "done": _mean(values.done),
        "policies": [
            {
                "text": words.policy(v, is_share=found.is_share),
                **asdict(v),
                "shares": dict(zip(found.actions, v.shares, strict=True)),
                "value": v.value and _mean(v.value),
                "gain": v.gain and _mean(v.gain),
            }
            for v in values.values
        ],
        "refutations": [{**asdict(r), "passed": r.passed} for r in found.refutations],
    }


def _mean(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "se": found.se, "interval": list(found.interval)}


def _show(found: PolicyValuesFound, languages: Sequence[Language]) -> None:
    values = found.found
    for each in values.values:
        said = words.policy(each, is_share=found.is_share)
        for language in languages:
            out.print(Text(said[language]))
    figures = {
        "held fixed (back-door)": ", ".join(found.held) or "nothing",
        "rows in which every action was open": f"{values.rows:,}",
        "trimmed: some action hardly ever done in rows like them": percentage(values.trimmed),
        "rows left out: something missing": f"{found.gaps:,}",
        "rows left out: something else done": f"{found.others:,}",
        "what was done, mean outcome, 95 %": _interval(values.done),
    }
    for name, n, tenths in zip(found.actions, found.counts, values.propensity, strict=True):
        figures[f"{name}: rows; how likely, by tenths"] = f"{n:,}; {' '.join(map(str, tenths))}"
    table = Table("", "", show_header=False)
    for told, figure in figures.items():
        table.add_row(Text(told), Text(figure))
    out.print(table)
    out.print(_policies(values.values))
    checks = Table("refuter", "change", "limit", "passed")
    for r in found.refutations:
        checks.add_row(r.name, f"{r.value:+.4f}", f"{r.limit:.4f}", "yes" if r.passed else "NO")
    out.print(checks)


def _policies(values: Sequence[PolicyValue]) -> Table:
    table = Table("policy", "value, 95 %", "beside what was done, 95 %", "rows, worth", "undone by")
    for v in values:
        rows = f"{v.matched:,}, {v.worth:,.0f}"
        if v.value is None or v.gain is None or v.robustness is None:
            why = f"not told: {LEAST_ROWS} rows are needed"
            table.add_row(Text(v.policy), why, "", rows, "")
            continue
        undone = percentage(v.robustness)
        table.add_row(Text(v.policy), _interval(v.value), with_interval(v.gain), rows, undone)
    return table


def _interval(found: Estimate) -> str:
    low, high = found.interval
    return f"{found.value:.4f}  [{low:.4f}, {high:.4f}]"
