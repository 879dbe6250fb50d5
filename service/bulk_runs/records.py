"""A run as one record: what went in, what came out, by which model; sealed before the answers are
in their place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ifonly.service.errors import UnknownRecord
from ifonly.service.settings import Settings
from ifonly.service.store import archive
from ifonly.service.store.archive import CheckedRecord
from ifonly.service.store.chain import Facts
from ifonly.service.store.journal import Draft, Receipt
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened_by

DONE, SOME_BAD = "done", "some_invalid"
"""Status of the record: all rows were answered, or some could not be."""


class Ledger(Protocol):
    """Where runs are recorded."""

    def check(self) -> None:
        """Raises
        ------
        StoreUnavailable, StoreDamaged, StoreOutdated
            If nothing could be recorded now.
        """
        ...

    def seal(self, manifest: bytes) -> Receipt:
        """Record a run, unless that was done before; where its record stands.

        Raises
        ------
        StoreUnavailable, StoreDamaged, StoreOutdated, JournalFull
            If it cannot be recorded.
        """
        ...


@dataclass(frozen=True)
class StoreLedger:
    """The store that settings name."""

    settings: Settings
    actor: str

    def check(self) -> None:
        with opened_by(self.settings):
            pass

    def seal(self, manifest: bytes) -> Receipt:
        run = json.loads(manifest)
        with opened_by(self.settings) as store:
            try:
                # The process may have ended between the record and the end of the run.
                record, _ = archive.get(store.database, run["id"])
                return Receipt.of(record)
            except UnknownRecord:
                pass
            return store.journal.append(self._draft(run, manifest)).result()

    def find(self, identity: str) -> CheckedRecord:
        """The record of a run, and what is wrong with it.

        Raises
        ------
        UnknownRecord
            If there is none.
        """
        with opened_by(self.settings, migrate=False) as store:
            return archive.seen(store.database, identity)

    def _draft(self, run: Mapping[str, Any], manifest: bytes) -> Draft:
        identity, counts = run["identity"], run["counts"]
        asked = identity["asked"]
        facts = Facts(
            kind=RecordKind.BULK,
            id=run["id"],
            actor=self.actor,
            status=SOME_BAD if run["bad"] else DONE,
            languages=",".join(asked.get("languages", ())) or None,
            model=identity["model"],
            version=identity["version"],
            model_sha256=identity["model_sha256"],
            spec_sha256=identity["spec_sha256"],
            causal_sha256=identity["causal_sha256"],
            engine_version=run["ifonly_version"],
            seed=asked.get("seed"),
            detail={
                "rows": run["rows"],
                "counts": counts,
                "input_sha256": run["input"]["sha256"],
                "output_sha256": run["output"]["sha256"],
                "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            },
        )
        # The manifest is what was answered: byte for byte what lies beside the answers.
        request = json.dumps(asked, ensure_ascii=False).encode()
        return Draft(facts, b'{"answer":%b,"request":%b}' % (manifest, request))
