"""What the first look at a page costs over a long trail: ``python -m bench.first_paint``.

Two stores side by side: one of ``--few`` records of 200 machines (written by the journal, as a
service writes them), one of ``--records`` that end with the same. What is older there is copied in
SQL, without its seals: no page that is measured reads it, unless something scans. CPU of the
service's process and bytes of each page, medians of requests made in turns; a ratio well above 1 is
a query that reads what no index found. ``--store postgresql`` for the other database.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.load import FOLDER, ServiceUnderLoad, service, store
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.lifecycle import AlarmRules
from ifonly.service.store import archive
from ifonly.service.store.chain import Facts, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Observation
from ifonly.service.store.journal import Draft, JournalOptions
from ifonly.service.store.opened import opened

MACHINES = 200
STANDING = 100
"""Of those, in alarm."""
TIMES = 9
"""Rounds of :data:`EACH` requests."""
EACH = 12
SPAN_US = 3_600_000_000
QUIET = {"IFONLY_AUDIT_LOG_SECONDS": "86400", "IFONLY_AUDIT_ANCHOR_SECONDS": "86400"}
"""A million leaves that join the log meanwhile would be measured with the pages."""
COPY = 50
"""Copies of the short trail that are added by one statement."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        urls = []
        for _ in range(2):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls.append(stack.enter_context(store(options.store, folder)))
        keys = [_fill(url, options.few) for url in urls]
        _lengthen(urls[1], options.few, options.records)
        both = [
            replace(stack.enter_context(service(url, 1, QUIET)), key=key)
            for url, key in zip(urls, keys, strict=True)
        ]
        table = Table(title=f"{options.store}: CPU ms a page, over {options.few:,} records and "
                            f"{options.records:,}; {MACHINES} machines")  # fmt: skip
        for column in ("page", "few", "many", "ratio", "bytes"):
            table.add_column(column, justify="left" if column == "page" else "right")
        for name, path in _pages().items():
            costs, size = _measured(both, path)
            ratio = costs[1] / costs[0] if costs[0] else float("nan")
            table.add_row(name, *(f"{c:.1f}" for c in costs), f"{ratio:.2f}", f"{size:,}")
    Console(width=110).print(table)


Path_ = Callable[[httpx.Client], str]


def _pages() -> dict[str, Path_]:
    def alarm(client: httpx.Client) -> str:
        found = re.search(r'href="(/alarms/[0-9a-f-]{36}[^"]*)"', client.get("/alarms").text)
        assert found is not None
        return found[1]

    return {
        "alarms": lambda _: "/alarms",
        "alarms of one lever": lambda _: "/alarms?lever=torque&state=normal",
        "one alarm": alarm,
        "the hour before it": lambda client: alarm(client).partition("?")[0] + "/readings",
        "records": lambda _: "/records",
        "models": lambda _: "/models",
    }


def _measured(both: list[ServiceUnderLoad], path: Path_) -> tuple[list[float], int]:
    clients = [_signed_in(each) for each in both]
    paths = [path(client) for client in clients]
    size = 0
    for client, where in zip(clients, paths, strict=True):
        size = len(client.get(where).raise_for_status().content)
    found: list[list[float]] = [[], []]
    for _ in range(TIMES):
        for k, (each, client) in enumerate(zip(both, clients, strict=True)):
            before = each.cpu_seconds()
            for _ in range(EACH):
                client.get(paths[k]).raise_for_status()
            found[k].append((each.cpu_seconds() - before) / EACH * 1e3)
    for client in clients:
        client.close()
    return [float(np.median(each)) for each in found], size


def _signed_in(of: ServiceUnderLoad) -> httpx.Client:
    client = httpx.Client(base_url=of.base, trust_env=False, timeout=120, follow_redirects=True)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    client.post("/sign-in", data={"csrf": token[1], "key": of.key}).raise_for_status()
    return client


# --- what the stores hold -------------------------------------------------------------------------


def _fill(url: str, count: int) -> str:
    """Readings of all machines in turns, the last an instant ago; some of them in alarm. The key
    of an admin."""
    with service(url, 1) as first:
        ids = _asked(first)
    with opened(url, JournalOptions("bench", capacity=5_000)) as opened_store:
        known = {name: archive.get(opened_store.database, i) for name, i in ids.items()}
        start, waiting = now_us() - SPAN_US, []
        for k, (name, at) in enumerate(_turns(count)):
            machine = k % MACHINES
            record, payload = known[name]
            assert payload is not None
            facts = replace(Facts(**{f: getattr(record.facts, f) for f in record.facts.__slots__}),
                            id=_own(k), time_us=start + round(at * SPAN_US))  # fmt: skip
            content = payload.content.replace(b"Mill 0", f"Mill {machine}".encode())
            waiting.append(opened_store.journal.append(
                Draft(facts, content, (_seen(machine, name),))
            ))  # fmt: skip
            if len(waiting) == 4_000:
                for future in waiting:
                    future.result(120)
                waiting.clear()
        for future in waiting:
            future.result(120)
    return first.key


def _own(k: int) -> str:
    return f"{k:08x}-0000-4000-8000-{k:012x}"


def _turns(count: int) -> Iterator[tuple[str, float]]:
    """Which reading, and how far from the first to the last. What is raised is explained once."""
    rounds = count // MACHINES
    for k in range(count):
        turn, machine = divmod(k, MACHINES)
        is_late = turn >= rounds - 3
        is_alarm = (turn // 7 + machine) % 2 == 1 if not is_late else machine < STANDING
        is_first = is_alarm and turn % 7 == 1
        yield "explanation" if is_first else "alarm" if is_alarm else "normal", (k + 1) / count


def _asked(of: ServiceUnderLoad) -> dict[str, str]:
    """One of each kind, by the service itself; ids of their records."""
    model = load_folder(FOLDER)
    rows = held_out_alarms(1, 7, model.predictor, model.spec.decision).rows
    alarm = model.spec.schema.write(rows[0])
    normal = {
        "air_temperature": 300.0, "process_temperature": 310.0, "rotational_speed": 1500,
        "torque": 40.0, "tool_wear": 20, "quality": "M",
    }  # fmt: skip
    said = {"equipment": "Mill 0", "line": "a"}
    headers = {"Authorization": f"Bearer {of.key}"}
    found = {}
    with httpx.Client(base_url=of.base, headers=headers, trust_env=False, timeout=60) as client:
        for name, row, path in (
            ("alarm", alarm, "predictions"),
            ("normal", normal, "predictions"),
            ("explanation", alarm, "explanations"),
        ):
            body = {"instance": row, "attributes": said} | (
                {"ways": True} if path[0] == "e" else {}
            )
            reply = client.post(f"/api/v1/models/milling-machine/{path}", json=body)
            told: dict[str, Any] = reply.raise_for_status().json()
            found[name] = told["audit"]["id"]
    return found


def _seen(machine: int, name: str) -> Observation:
    place = json.dumps({"equipment": f"Mill {machine}", "line": "a"})
    is_alarm = name != "normal"
    return Observation(
        condition=f"{machine:064x}",
        model="milling-machine",
        version="1",
        equipment=f"Mill {machine}",
        attributes=place,
        is_alarm=is_alarm,
        rules=AlarmRules(0, 0, 0),
        share=0.99 if is_alarm else None,
        levers="\ntorque\n" if name == "explanation" else None,
    )


def _lengthen(url: str, few: int, count: int) -> None:
    """What is there already, again and again, each time an hour older, of a chain of its own."""
    with opened(url, JournalOptions("bench")) as opened_store:
        database = opened_store.database
        with database.writer.begin() as connection:
            connection.execute(sa.text(
                "INSERT INTO audit_writers (id, head_sequence, head_hash, anchored) "
                "VALUES ('copies', 0, '', 0)"
            ))  # fmt: skip
        done = 1
        while done * few < count:
            upto = min(done + COPY, -(-count // few))
            with database.writer.begin() as connection:
                for statement in _copies(database, done, upto, few):
                    connection.execute(sa.text(statement))
            done = upto
        if not database.is_sqlite:
            with database.writer.begin() as connection:
                connection.execute(sa.text("ANALYZE"))


def _copies(database: Database, first: int, last: int, few: int) -> Iterator[str]:
    own = "lower(hex(randomblob(16)))" if database.is_sqlite else "md5(random()::text)"
    turns = (
        f"(WITH RECURSIVE t(k) AS (SELECT {first} UNION ALL SELECT k + 1 FROM t "
        f"WHERE k + 1 < {last}) SELECT k FROM t) AS turns"
    )
    kept = (
        "previous, hash, payload_digest, kind, actor, role, request_id, about, status, languages, "
        "model, version, model_sha256, spec_sha256, causal_sha256, engine, engine_version, seed, "
        "latency_us, detail"
    )
    mine = "writer <> 'copies' AND (kind = 'prediction' OR kind = 'explanation')"
    # Of several chains of the short trail each has a stretch of its own.
    place = f"sequence + turns.k * {4 * few}"
    then = f"time_us - turns.k * {SPAN_US}"
    yield (
        f"INSERT INTO audit_payloads (writer, sequence, time_us, salt, content) "
        f"SELECT 'copies', p.sequence + turns.k * {4 * few}, p.time_us - turns.k * {SPAN_US}, "
        f"p.salt, p.content FROM audit_payloads AS p JOIN audit_records AS r "
        f"ON r.writer = p.writer AND r.sequence = p.sequence AND r.id LIKE '%-0000-4000-8000-%' "
        f"CROSS JOIN {turns}"
    )
    yield (
        f"INSERT INTO audit_records (writer, sequence, id, time_us, {kept}) "
        f"SELECT 'copies', {place}, {own}, {then}, {kept} FROM audit_records CROSS JOIN {turns} "
        f"WHERE {mine} AND id LIKE '%-0000-4000-8000-%'"
    )
    same = (
        "condition, model, version, equipment, attributes, phase, acknowledged, count, returns, "
        'chattering, waiting, out_of_service, record, "row", share, reading, told_by, explained, '
        "actor, action, acted_us, raised_by, levers, way"
    )
    times = ("began_us", "seen_us", "raised_us", "cleared_us")
    shifted = ", ".join(f"{name} - turns.k * {SPAN_US}" for name in times)
    no, yes = ("0", "1") if database.is_sqlite else ("false", "true")
    yield (
        f"INSERT INTO episodes (id, is_current, is_open, {', '.join(times)}, {same}) "
        f"SELECT {own}, {no}, {no}, {shifted}, {same} FROM episodes CROSS JOIN {turns} "
        f"WHERE NOT is_open OR is_current = {yes}"
    )


if __name__ == "__main__":
    main()
