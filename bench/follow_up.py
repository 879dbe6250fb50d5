"""What a report on advice costs over a long trail: ``python -m bench.follow_up``.

Two stores, one of a tenth of ``--records`` readings of a thousand machines within 24 days, one of
all of them; one record in five hundred is an explanation. They are sealed as a service seals
them, in transactions of 20,000. CPU of the report a reading, and by how much the process grew: the
larger store is read after the smaller, so that what it adds is what grows with readings.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from ifonly.service.audit.follow_up import telling
from ifonly.service.doors.cli.console import registry
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.store.chain import DAY_US, Facts, Head, Payload, now_us, seal
from ifonly.service.store.database import Database, connect
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.migrate import upgrade
from ifonly.service.store.rows import insert, row_of
from ifonly.service.store.tables import payloads, records, writers
from ifonly.service.wire.outcomes import FollowUpQuery

MODEL, MACHINES, DAYS, PIECE, EXPLAINED = "milling-machine", 1_000, 24, 20_000, 500
WRITER = "bench"
READING = {
    "air_temperature": 303.3, "process_temperature": 312.8, "rotational_speed": 1384,
    "torque": 62.7, "tool_wear": 196, "quality": "L",
}  # fmt: skip
SAID = {"class": "failure", "probability": 0.99}


def fill(url: str, many: int) -> None:
    """In a process of its own: what it takes is no matter of the report's."""
    with closing(connect(url)) as database:
        upgrade(database)
        _fill(database, many)


def _fill(database: Database, many: int) -> None:
    drawn, head = random.Random(0), Head()
    start, step = now_us() - (DAYS + 1) * DAY_US, DAYS * DAY_US // many
    with database.writer.begin() as connection:
        first = {"id": WRITER, "head_sequence": 0, "head_hash": head.hash, "anchored": 0}
        connection.execute(sa.insert(writers).values(first))
    for begin in range(0, many, PIECE):
        rows, contents = [], []
        for k in range(begin, min(begin + PIECE, many)):
            facts, content = _record(k, start + k * step, drawn)
            payload = Payload.of(json.dumps(content).encode())
            sealed = seal(facts, WRITER, head, payload.digest)
            head = sealed.head
            rows.append(row_of(sealed))
            place = {"writer": WRITER, "sequence": head.sequence, "time_us": facts.time_us}
            contents.append({**place, "salt": payload.salt, "content": payload.content})
        with database.writer.begin() as connection:
            insert(connection, records, rows)
            insert(connection, payloads, contents)
            end = {"head_sequence": head.sequence, "head_hash": head.hash}
            connection.execute(sa.update(writers).values(end))


def _record(k: int, time_us: int, drawn: random.Random) -> tuple[Facts, dict[str, object]]:
    machine = {"equipment": f"Mill {drawn.randrange(MACHINES)}"}
    row = READING | {"torque": round(drawn.uniform(20, 60), 1), "tool_wear": drawn.randrange(200)}
    request = {"instance": row, "attributes": machine}
    is_explained = k % EXPLAINED == 0
    kind = RecordKind.EXPLANATION if is_explained else RecordKind.PREDICTION
    status = "optimal" if is_explained else "alarm"
    facts = Facts(kind=kind, actor="bench", time_us=time_us, status=status, model=MODEL)
    if not is_explained:
        return facts, {"request": request, "answer": {"predictions": [SAID]}}
    action = {"feature": "torque", "from": row["torque"], "to": 15.0}
    answer = {"counterfactuals": [{"rank": 1, "actions": [action]}], "prediction": SAID}
    return facts, {"request": request, "answer": answer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    many = parser.parse_args().records
    shown = Table("readings", "advice", "CPU a reading, µs", "the process grew by, MB")
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings.model_validate({"models": shipped_models(), "data": Path(folder)})
        known, query = registry(chosen), FollowUpQuery(model=MODEL)
        for size in (many // 10, many):
            url = f"sqlite:///{folder}/{size}.sqlite3"
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                apart.submit(fill, url, size).result()
            with closing(connect(url)) as database:
                grown, began = _resident(), time.process_time()
                found = telling.report(database, known, query)
                cpu = 1e6 * (time.process_time() - began) / size
                grown = _resident() - grown
            shown.add_row(f"{size:,}", f"{found.total.advised:,}", f"{cpu:.0f}", f"{grown:.0f}")
    Console().print(shown)


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
