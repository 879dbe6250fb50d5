"""How fast the operator's pages are painted: ``python -m bench.pages [--records 100000]``.

A service of its own on loopback, its store filled with records of real alarms; Debian's Chromium,
cold for each page. First byte and first contentful paint as the browser reports them, medians;
beside them a page without anything but a line of text, for what the browser itself costs here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.load import FOLDER, ServiceUnderLoad, service
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.store import archive
from ifonly.service.store.chain import new_id, now_us
from ifonly.service.store.journal import Draft, JournalOptions
from ifonly.service.store.opened import opened

ALARMS = 20
VISITS = 15
PAINTED = """() => ({
  first_byte: performance.getEntriesByType('navigation')[0].responseStart,
  painted: (performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime,
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    options = parser.parse_args()
    table = Table(title=f"pages over {options.records:,} records, ms, medians of {VISITS}")
    for column in ("page", "first byte", "first paint"):
        table.add_column(column, justify="left" if column == "page" else "right")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'store.sqlite3'}"
        with service(url, 1) as first:
            key, ids = first.key, _alarms(first)
        _fill(url, ids, options.records)
        with service(url, 1) as running, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            pages: dict[str, Callable[[int], str]] = {
                "one line of text": lambda visit: "/healthz/live",
                "recent predictions": lambda visit: "/alarms",
                "one alarm": lambda visit: f"/alarms/{ids[visit % len(ids)]}",
            }
            for name, path in pages.items():
                times = _visits(browser, running, key, path)
                table.add_row(name, *(f"{t:.0f}" for t in times))
            browser.close()
    Console(width=100).print(table)


def _alarms(of: ServiceUnderLoad) -> list[str]:
    """Ids of the records of some alarms."""
    model = load_folder(FOLDER)
    rows = held_out_alarms(ALARMS, 7, model.predictor, model.spec.decision).rows
    headers = {"Authorization": f"Bearer {of.key}"}
    ids = []
    with httpx.Client(base_url=of.base, headers=headers, trust_env=False, timeout=60) as client:
        for row in rows:
            asked = {"instances": [model.spec.schema.write(row)]}
            reply = client.post("/api/v1/models/milling-machine/predictions", json=asked)
            ids.append(reply.raise_for_status().json()["audit"]["id"])
    return ids


def _fill(url: str, ids: list[str], count: int) -> None:
    """Records like those, each with an id of its own, an hour back to now."""
    with opened(url, JournalOptions("bench")) as store:
        known = [archive.get(store.database, identity) for identity in ids]
        start, waiting = now_us() - 3_600_000_000, []
        for i in range(count):
            record, payload = known[i % len(known)]
            facts = replace(record.facts, id=new_id(), time_us=start + i * 3_600_000_000 // count)
            content = None if payload is None else payload.content
            waiting.append(store.journal.append(Draft(facts, content)))
            if len(waiting) == 500:
                for future in waiting:
                    future.result(60)
                waiting.clear()
        for future in waiting:
            future.result(60)


def _visits(
    browser: Browser, of: ServiceUnderLoad, key: str, path: Callable[[int], str]
) -> tuple[float, float]:
    """Medians of first byte and first paint, each visit in a browser that knows nothing."""
    found: list[dict[str, Any]] = []
    for visit in range(VISITS):
        context = browser.new_context(base_url=of.base, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto("/sign-in")
        page.fill("input[name=key]", key)
        page.click("form.stack button")
        page.wait_for_selector(".who")
        page.goto(path(visit), wait_until="load")
        page.wait_for_timeout(300)  # its strict policy lets nothing be waited for by script
        found.append(json.loads(json.dumps(page.evaluate(PAINTED))))
        context.close()
    return tuple(float(np.median([f[k] for f in found])) for k in ("first_byte", "painted"))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
