"""A claim looks at a few rows, however many are answered or wait. Counted, not timed: steps of
SQLite's virtual machine, rows that PostgreSQL's nodes read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.store import jobs
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.jobs import Answered
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind

HOUR_US = 3_600_000_000
WHOLE, HALF, ONES = 40, 40, 20
"""Of a hundredth of the rows: of a job that is done, of one half done, and jobs of one row."""
NUMBERED = "WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < {} - 1) "
JOB = (
    "INSERT INTO jobs (id, state, model, version, actor, rows, answered, refused, created_us, "
    "finished_us) SELECT {id}, 'running', 'press', '1', '{actor}', {rows}, {answered}, 0, "
    "{created}, {finished}"
)
ROWS = (
    "INSERT INTO job_rows (job, number, record, worker, leased_until_us, attempts) "
    "SELECT {job}, {number}, {record}, '', 0, 0"
)


def fill(database: Database, times: int, *, is_analysed: bool = True) -> None:
    """Answered and waiting rows of one actor, ``100 * times`` in all, and one row of another's."""
    whole, half, ones = (times * count for count in (WHOLE, HALF, ONES))
    tables = [
        JOB.format(
            id="'a-whole'", actor="hog", rows=whole, answered=whole, created=1, finished="9"
        ),
        NUMBERED.format(whole) + ROWS.format(job="'a-whole'", number="k", record="'r'") + " FROM n",
        JOB.format(
            id="'b-half'", actor="hog", rows=half, answered=half // 2, created=2, finished="NULL"
        ),
        NUMBERED.format(half)
        + ROWS.format(
            job="'b-half'",
            number="k",
            record=f"CASE WHEN k < {half // 2} THEN 'r' END",
        )
        + " FROM n",
        NUMBERED.format(ones)
        + JOB.format(
            id="'c-' || k", actor="hog", rows=1, answered=0, created="3 + k", finished="NULL"
        )
        + " FROM n",
        NUMBERED.format(ones) + ROWS.format(job="'c-' || k", number="0", record="NULL") + " FROM n",
        JOB.format(id="'z-one'", actor="other", rows=1, answered=0, created=10**9, finished="NULL"),
        ROWS.format(job="'z-one'", number="0", record="NULL"),
    ]
    with database.writer.begin() as connection:
        for statement in tables:
            connection.exec_driver_sql(_inserted(statement))
    if not is_analysed:
        return
    with database.writer.begin() as connection:
        connection.exec_driver_sql("ANALYZE jobs")  # PostgreSQL does so by itself, later
        connection.exec_driver_sql("ANALYZE job_rows")


def _inserted(statement: str) -> str:
    """SQL wants the numbers after INSERT."""
    if not statement.startswith("WITH"):
        return statement
    numbers, _, rest = statement.partition("INSERT INTO ")
    head, _, select = rest.partition(" SELECT ")
    return f"INSERT INTO {head} {numbers}SELECT {select}"


class Looked:
    """What an engine's statements look at while this is open."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._drivers: list[Any] = []
        self.count = 0
        """SQLite: steps; PostgreSQL: rows that nodes of plans read or threw away."""
        self.plans: set[str] = set()

    def __enter__(self) -> Looked:
        sa.event.listen(self._engine, "before_cursor_execute", self._before)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self._engine, "before_cursor_execute", self._before)
        for driver in self._drivers:
            driver.set_progress_handler(None, 1)

    def _step(self) -> int:
        self.count += 1
        return 0

    def _before(
        self, connection: sa.Connection, cursor: Any, statement: str, given: Any, *_: Any
    ) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name != "sqlite":
            if statement.startswith(("SELECT", "WITH")):
                self._explain(driver, statement, given)
            return
        driver.set_progress_handler(None, 1)
        plan = driver.execute(f"EXPLAIN QUERY PLAN {statement}", given)
        self.plans |= {row[3] for row in plan}
        driver.set_progress_handler(self._step, 1)
        self._drivers.append(driver)

    def _explain(self, driver: Any, statement: str, given: Any) -> None:
        with driver.cursor() as own:
            explained = own.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given)
            (found,) = explained.fetchone()
        for node in _nodes(found[0]["Plan"]):
            thrown = sum(v for k, v in node.items() if k.startswith("Rows Removed by"))
            self.count += round(node["Actual Loops"] * (node["Actual Rows"] + thrown))
            self.plans.add(f"{node['Node Type']} {node.get('Relation Name', '')}")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def looked_at(
    database: Database, claims: int, *, newcomers: bool = False
) -> tuple[list[str], Looked]:
    """Whose rows were claimed, and what was looked at; nothing is kept."""
    actors = []
    with (
        Looked(database.writer) as looked,
        database.writer.connect() as connection,
        connection.begin() as transaction,
    ):
        for k in range(claims):
            claim = jobs.claim(f"worker-{k}", 64, 60_000_000, newcomers=newcomers)(connection)
            actors.append("nobody" if claim is None else claim.job.actor)
        transaction.rollback()
    return actors, looked


def check_plans(looked: Looked) -> None:
    for plan in looked.plans:
        assert "Seq Scan job" not in plan, looked.plans
        assert not plan.startswith("SCAN job") or "ix_job_rows_open" in plan, looked.plans


@pytest.mark.parametrize("is_analysed", [False, True])
def test_a_claim_among_a_hundred_thousand_rows_looks_at_as_many_as_among_a_thousand(
    database: Database, *, is_analysed: bool
) -> None:
    if not is_analysed and not database.is_sqlite:
        pytest.skip("PostgreSQL counts rows by itself")
    fill(database, 10, is_analysed=is_analysed)
    _, few = looked_at(database, 4)
    with database.writer.begin() as connection:
        for table in ("job_rows", "jobs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    fill(database, 1_000, is_analysed=is_analysed)
    actors, many = looked_at(database, 4)
    assert actors == ["hog", "other", "hog", "hog"]
    assert many.count < 1.2 * few.count + 100
    check_plans(many)
    actors, newcomers = looked_at(database, 4, newcomers=True)
    assert actors == ["hog", "other", "nobody", "nobody"]
    assert newcomers.count < 1.2 * few.count + 100
    check_plans(newcomers)


@pytest.mark.parametrize("newcomers", [False, True])
def test_whether_a_row_is_free_is_seen_at_once(database: Database, *, newcomers: bool) -> None:
    fill(database, 1_000)
    with Looked(database.reader) as looked:
        assert jobs.is_any_free(database, newcomers=newcomers)
    assert looked.count < 10_000
    check_plans(looked)


@pytest.mark.parametrize("is_analysed", [False, True])
def test_how_far_a_job_is_is_seen_without_its_answers(
    database: Database, journal: Journal, *, is_analysed: bool
) -> None:
    """Its record and that of its end, among ten or ten thousand that answer its rows."""
    steps = {}
    for rows in (10, 2_000):
        facts = Facts(kind=RecordKind.JOB, actor="key:1", model="press", version="1")
        job, work = jobs.submit(facts, [b"{}"] * rows, 10_000)
        journal.append(work).result(30)
        claim = journal.change(jobs.claim("w", rows, HOUR_US)).result(30)
        assert claim is not None
        found = [
            Answered(row.number, Draft(Facts(kind=RecordKind.EXPLANATION, actor="a", about=job.id)))
            for row in claim.rows
        ]
        journal.append(jobs.finish(job, "w", found)).result(30)
        if is_analysed:
            with database.writer.begin() as connection:
                # Table by table: of all schemas at once PostgreSQL has not the locks.
                for table in ("jobs", "job_rows", "audit_records"):
                    connection.exec_driver_sql(f"ANALYZE {table}")
        with Looked(database.reader) as looked:
            assert jobs.find(database, job.id).answered == rows
        steps[rows] = looked.count
    assert steps[2_000] < 1.2 * steps[10] + 200, looked.plans
