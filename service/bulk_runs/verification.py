"""Answers that were written, held against what is known of them: their digests, the run's record,
and the model, which is asked again.

Three things have to agree: the bytes of the answers, the manifest beside them, and the record in
the audit trail. Then rows are taken out of the input, whose digest the manifest has, and asked
again; and the checker, which shares nothing with the search, recomputes each answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifonly.service.bulk_runs import manifest
from ifonly.service.bulk_runs.asking_again import ask_again
from ifonly.service.bulk_runs.discrepancies import RowsToAsk, RunVerification
from ifonly.service.bulk_runs.reading.places import is_local
from ifonly.service.bulk_runs.records import StoreLedger
from ifonly.service.bulk_runs.targets import ERRORS, MANIFEST, OutputTarget, described
from ifonly.service.errors import CannotBulk, UnknownRecord
from ifonly.service.served.registry import Registry, ServedModel


def verify(
    out: str, registry: Registry, ledger: StoreLedger | None, wanted: RowsToAsk
) -> RunVerification:
    """Hold the answers at ``out`` against their manifest, their record, and the model.

    Raises
    ------
    CannotBulk
        If there is nothing that can be verified.
    """
    target, report = held(out, ledger)
    model = _model(registry, report)
    if model is not None:
        ask_again(target, model, report, wanted)
    return report


def held(out: str, ledger: StoreLedger | None) -> tuple[OutputTarget, RunVerification]:
    """The answers at ``out``, held against their manifest, and it against its record. No row is
    asked again.

    Raises
    ------
    CannotBulk
        If there is nothing that can be verified.
    """
    target = OutputTarget.of(out, None)
    where = target.beside(MANIFEST)
    said = target.content(where)
    if said is None:
        raise CannotBulk(f"{where} is not there: nothing says what {out} was{_others(out)}")
    report = RunVerification(manifest.read(said, where))
    _files(target, report)
    _record(said, where, ledger, report)
    return target, report


def _others(out: str) -> str:
    """Of a folder that several runs have written into: which."""
    folder = Path(out)
    if not is_local(out) or not folder.is_dir():
        return ""
    end = f".{MANIFEST}"
    files = [str(path)[: -len(end)] for path in folder.glob(f"*{end}")]
    folders = [str(path.parent) for path in folder.glob(f"*/_{MANIFEST}")]
    found = sorted([*files, *folders])
    return f"; in it are the answers of {len(found)} runs: {', '.join(found)}" if found else ""


def model_before(registry: Registry, identity: Mapping[str, Any]) -> ServedModel | None:
    """The one that answered, by its digests; None: it is not here."""
    name, digests = identity["model"], ("model_sha256", "spec_sha256", "causal_sha256")
    for version in registry.versions(name) if name in registry.names() else ():
        model = registry.find(name, version)
        deployed = model.deployed
        causal = deployed.causal_sha256 if model.causal else None
        own = (deployed.model_sha256, deployed.spec_sha256, causal)
        if own == tuple(identity[key] for key in digests):
            return model
    return None


def _model(registry: Registry, report: RunVerification) -> ServedModel | None:
    said = report.manifest["identity"]
    found = model_before(registry, said)
    if found is None:
        report.notes.append(
            f"no row was asked again: {said['model']} {said['version']} with model_sha256 "
            f"{said['model_sha256']} is not here"
        )
    return found


def _files(target: OutputTarget, report: RunVerification) -> None:
    said = report.manifest
    for name, holds in described(target, said["output"]["files"]):
        if not holds:
            report.against(name, "is not what was written")
    where = target.beside(ERRORS)
    errors = target.content(where)
    if said["errors"] is None:
        if errors is not None:
            report.against(where, "is there, and the run had no errors")
    elif errors is None or hashlib.sha256(errors).hexdigest() != said["errors"]["sha256"]:
        report.against(where, "is not what was written")


def _record(said: bytes, where: str, ledger: StoreLedger | None, report: RunVerification) -> None:
    run = report.manifest
    if ledger is None:
        report.notes.append("no store is set up: whether the manifest is the one that was sealed")
        return
    try:
        seen = ledger.find(run["id"])
    except UnknownRecord:
        told = "has no record in this store"
        if run["is_recorded"]:
            report.against(where, f"run {run['id']} {told}")
        else:
            report.notes.append(f"the run was not recorded: whoever wrote {where} could write both")
        return
    report.record = seen.record.facts.id
    for finding in seen.findings:
        report.against(f"record {report.record}", finding.text)
    detail = dict(seen.record.facts.detail or {})
    if detail.get("manifest_sha256") != hashlib.sha256(said).hexdigest():
        report.against(where, f"is not the one that record {report.record} was sealed with")
