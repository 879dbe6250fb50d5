"""The tables. Changed only together with a migration; a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from ifonly.explainers.languages import LANGUAGES

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

writers = sa.Table(
    "audit_writers",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    # The end of the chain, moved in the transaction that appends: start of the next batch, and
    # what anchors are made of. Not evidence: whoever cuts a tail can change it too.
    sa.Column("head_sequence", sa.BigInteger, nullable=False),
    sa.Column("head_hash", sa.String(64), nullable=False),
    # How far some anchor has it. A hint that keeps anchors short. Not evidence: verifying finds a
    # hint that goes further than the anchors themselves do.
    sa.Column("anchored", sa.BigInteger, nullable=False),
)

records = sa.Table(
    "audit_records",
    metadata,
    sa.Column("writer", sa.ForeignKey(writers.c.id), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("payload_digest", sa.String(64)),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("about", sa.String(36)),
    sa.Column("status", sa.Text),
    sa.Column("languages", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("model_sha256", sa.String(64)),
    sa.Column("spec_sha256", sa.String(64)),
    sa.Column("causal_sha256", sa.String(64)),
    sa.Column("engine", sa.Text),
    sa.Column("engine_version", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("latency_us", sa.BigInteger),
    sa.Column("detail", sa.Text),
)

PAGE_ORDER = (records.c.time_us, records.c.writer, records.c.sequence)
"""The order in which records of all writers are shown."""

sa.Index("ix_audit_records_id", records.c.id, unique=True)
# Each ends in page order, so that a page is read from the index in one stretch.
sa.Index("ix_audit_records_time", *PAGE_ORDER)
for _filter in ("kind", "model", "status", "actor", "request_id", "about"):
    sa.Index(f"ix_audit_records_{_filter}", records.c[_filter], *PAGE_ORDER)
sa.Index("ix_audit_records_writer", records.c.writer, records.c.time_us, records.c.sequence)
sa.Index("ix_audit_records_kind_model", records.c.kind, records.c.model, *PAGE_ORDER)

# Word for word, or no index is used: of bound values SQLite does not know what they will be.
IS_OF_JOB = sa.text("audit_records.kind = 'job'")
sa.Index(
    "ix_audit_records_job",
    records.c.about,
    sqlite_where=IS_OF_JOB,
    postgresql_where=IS_OF_JOB,
)

_TAGS = "',' || audit_records.languages || ','"
SPOKEN: Mapping[str, sa.TextClause] = {
    tag: sa.text(f"replace({_TAGS}, ',{tag},', '') <> {_TAGS}") for tag in LANGUAGES
}
"""Records whose reply was wanted in a language: word for word, or no index is used. (No LIKE: its
per cent signs are doubled in one statement and not in the other.)"""
BY_LANGUAGE = tuple(
    sa.Index(f"ix_audit_records_{tag}", *PAGE_ORDER, sqlite_where=where, postgresql_where=where)
    for tag, where in SPOKEN.items()
)
"""One for each language that this version speaks; see
:func:`ifonly.service.store.migrate.upgrade`."""

_LIST = (
    "CASE WHEN audit_records.about IS NOT NULL THEN '' "
    "WHEN audit_records.kind = 'prediction' AND audit_records.status = 'alarm' THEN 'alarms' "
    "WHEN audit_records.kind = 'explanation' AND audit_records.status <> 'already_target' "
    "THEN 'alarms' WHEN audit_records.kind IN ('prediction', 'explanation') THEN 'others' "
    "ELSE '' END"
)
RECENT = {name: sa.text(f"{_LIST} = '{name}'") for name in ("alarms", "others")}
"""What operators look at, word for word, or no index is used. Not in it: rows of jobs, and what
was asked about another record. (Of conditions SQLite would take apart, and use their indexes.)"""
for _name, _where in RECENT.items():
    sa.Index(f"ix_audit_records_{_name}", *PAGE_ORDER, sqlite_where=_where, postgresql_where=_where)

_LISTING = (
    "CASE WHEN audit_records.kind = 'explanation' "
    "AND audit_records.status IN ('feasible', 'unknown', 'abstained') THEN 'unproven' "
    "WHEN audit_records.kind IN ('anchor', 'key', 'job', 'model', 'sign_in', 'access', 'hold', "
    "'erasure', 'bulk') THEN 'upkeep' ELSE '' END"
)
_FRAGILE = (
    "CASE WHEN audit_records.kind = 'explanation' "
    "AND replace(audit_records.detail, '\"robust\"\\:0', '') <> audit_records.detail "
    "THEN 'fragile' ELSE '' END"
)
LISTED: Mapping[str, sa.TextClause] = {
    "unproven": sa.text(f"{_LISTING} = 'unproven'"),
    "upkeep": sa.text(f"{_LISTING} = 'upkeep'"),
    "fragile": sa.text(f"{_FRAGILE} = 'fragile'"),
}
"""What auditors look through, by :class:`ifonly.service.store.terms.RecordList`: word for word, or
no index is used. (Expressions, as in :data:`RECENT`: of conditions SQLite would use others.)"""
for _name, _where in LISTED.items():
    sa.Index(f"ix_audit_records_{_name}", *PAGE_ORDER, sqlite_where=_where, postgresql_where=_where)

payloads = sa.Table(
    "audit_payloads",
    metadata,
    sa.Column("writer", sa.String(32), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    # No foreign key: the chain says what belongs together. PostgreSQL would plan its check once a
    # connection, while the tables are empty, and then read all records for each payload.
)
sa.Index("ix_audit_payloads_time", payloads.c.time_us)

keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger),
    sa.Column("revoked_us", sa.BigInteger),
    sa.Column("scope", sa.Text),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("started_us", sa.BigInteger),
    sa.Column("finished_us", sa.BigInteger),
    # JSON: rows by their claim. NULL: of a version that did not count them.
    sa.Column("statuses", sa.Text),
)
# In the order of lists: of all, and of one actor.
sa.Index("ix_jobs_created", jobs.c.created_us, jobs.c.id)
sa.Index("ix_jobs_actor", jobs.c.actor, jobs.c.created_us, jobs.c.id)

job_rows = sa.Table(
    "job_rows",
    metadata,
    sa.Column("job", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # Until it is answered; then the record has it, and what is erased there is nowhere else.
    sa.Column("request", sa.LargeBinary),
    sa.Column("salt", sa.LargeBinary),
    # Of salt and request; the job's record has the digest of all of them. Without the salt, which
    # goes with the request, it confirms no guess.
    sa.Column("digest", sa.String(64)),
    # Id of the record that answers it.
    sa.Column("record", sa.String(36)),
    sa.Column("worker", sa.String(40)),
    sa.Column("leased_until_us", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)
# Of whom a row is claimed, and which: see ifonly.service.store.jobs.claim.
IS_OPEN = jobs.c.finished_us.is_(None)
sa.Index(
    "ix_jobs_open",
    jobs.c.actor,
    jobs.c.created_us,
    sqlite_where=IS_OPEN,
    postgresql_where=IS_OPEN,
)
IS_UNANSWERED = job_rows.c.record.is_(None)
sa.Index(
    "ix_job_rows_open",
    job_rows.c.job,
    job_rows.c.number,
    sqlite_where=IS_UNANSWERED,
    postgresql_where=IS_UNANSWERED,
)
sa.Index(
    "ix_job_rows_worker",
    job_rows.c.worker,
    sqlite_where=IS_UNANSWERED,
    postgresql_where=IS_UNANSWERED,
)

rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),
    sa.Column("filled_us", sa.BigInteger, nullable=False),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("record", sa.String(36), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

page_secrets = sa.Table(
    "page_secrets",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("key", sa.String(16)),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("scope", sa.Text),
    # Of its beginning.
    sa.Column("record", sa.String(36), nullable=False),
)
sa.Index("ix_sessions_expires", sessions.c.expires_us)

# --- events: ifonly.service.store.inbox, ifonly.service.store.outbox ------------------------------

# What a deployed model was asked and what it said, until both are there and somebody has looked at
# them. Of what was looked at only the key stays, for a while: sent again, it is known.
inference_events = sa.Table(
    "inference_events",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text),
    sa.Column("scope", sa.Text),
    sa.Column("request_id", sa.Text),
    # JSON: attributes of the event that came first.
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("request", sa.LargeBinary),
    sa.Column("response", sa.LargeBinary),
    sa.Column("received_us", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("worker", sa.String(40), nullable=False),
    sa.Column("leased_until_us", sa.BigInteger, nullable=False),
)
IS_UNSORTED = inference_events.c.state != "sorted"
sa.Index(
    "ix_inference_events_unsorted",
    inference_events.c.state,
    inference_events.c.received_us,
    sqlite_where=IS_UNSORTED,
    postgresql_where=IS_UNSORTED,
)

# What is still to be sent. A row is gone once its receiver has it.
outbox = sa.Table(
    "outbox",
    metadata,
    # As the receiver is told it, each time.
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("job", sa.String(36), nullable=False),
    # Of the job; none: it tells of the job's end.
    sa.Column("number", sa.Integer),
    # Where to; none: to the sink that the settings name.
    sa.Column("target", sa.Text),
    # JSON: what the record does not say.
    sa.Column("context", sa.Text, nullable=False),
    # That is told of.
    sa.Column("record", sa.String(36)),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("worker", sa.String(40), nullable=False),
)
sa.Index("ix_outbox_state", outbox.c.state, outbox.c.due_us)
sa.Index("ix_outbox_job", outbox.c.job, outbox.c.number)
# What alarms are grouped by: derived from records, and no evidence. One row an episode; of each
# condition (a model and a piece of equipment) the newest is current.
episodes = sa.Table(
    "episodes",
    metadata,
    # Of the record that raised it, which what people do about it is about.
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("condition", sa.String(64), nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("equipment", sa.Text, nullable=False),
    # What tells the equipment from all other, as JSON.
    sa.Column("attributes", sa.Text, nullable=False),
    # As ifonly.service.lifecycle.Life has them.
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("acknowledged", sa.Boolean, nullable=False),
    sa.Column("began_us", sa.BigInteger, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("returns", sa.BigInteger, nullable=False),
    sa.Column("chattering", sa.Boolean, nullable=False),
    sa.Column("raised_us", sa.BigInteger),
    sa.Column("cleared_us", sa.BigInteger),
    sa.Column("turned_us", sa.BigInteger),
    sa.Column("waiting", sa.BigInteger, nullable=False),
    sa.Column("shelved_until_us", sa.BigInteger),
    sa.Column("out_of_service", sa.Boolean, nullable=False),
    # Its newest alarm: the record, which of its rows, how likely, and a digest of the reading.
    sa.Column("record", sa.String(36), nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("share", sa.Double),
    sa.Column("reading", sa.String(64)),
    sa.Column("told_by", sa.Text, nullable=False),
    # The record of the newest explanation of one of its readings.
    sa.Column("explained", sa.String(36)),
    # Who did something about it last, and what.
    sa.Column("actor", sa.Text),
    sa.Column("action", sa.Text),
    sa.Column("acted_us", sa.BigInteger),
    # The record that raised it, if that told of several pieces of equipment; else `id` is it.
    sa.Column("raised_by", sa.String(36)),
    # Features that the smallest answer of that explanation sets, a line each.
    sa.Column("levers", sa.Text),
    # With the action: which of the ways out was done.
    sa.Column("way", sa.Text),
)
IS_CURRENT = sa.text("is_current")
IS_EPISODE = sa.text("raised_us IS NOT NULL")
IS_OPEN_EPISODE = sa.text("is_open")
sa.Index(
    "ix_episodes_current",
    episodes.c.condition,
    unique=True,
    sqlite_where=IS_CURRENT,
    postgresql_where=IS_CURRENT,
)
sa.Index(
    "ix_episodes_open",
    episodes.c.id,
    sqlite_where=IS_OPEN_EPISODE,
    postgresql_where=IS_OPEN_EPISODE,
)
# With all that the chart of hours, and counts of what is over, ask of an episode: of a hundred
# thousand they read no row.
sa.Index(
    "ix_episodes_raised",
    episodes.c.raised_us,
    episodes.c.id,
    episodes.c.is_open,
    episodes.c.model,
    episodes.c.equipment,
    episodes.c.levers,
    sqlite_where=IS_EPISODE,
    postgresql_where=IS_EPISODE,
)

# Of one machine what is over, the newest first.
sa.Index(
    "ix_episodes_equipment",
    episodes.c.equipment,
    episodes.c.raised_us,
    episodes.c.id,
    sqlite_where=IS_EPISODE,
    postgresql_where=IS_EPISODE,
)

# Rows that a version decided by the hour, and how many were alarms: derived from records, as they
# are written. One row for each process: none waits for another.
alarm_rates = sa.Table(
    "alarm_rates",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("hour_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("writer", sa.String(32), primary_key=True),
    sa.Column("decided", sa.BigInteger, nullable=False),
    sa.Column("alarms", sa.BigInteger, nullable=False),
)

# --- the log: ifonly.service.store.translog -------------------------------------------------------

log_state = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    # Who signs heads. A hint that keeps two keys from signing one log; verifiers have their own.
    sa.Column("key", sa.Text, nullable=False),
    # Who appends leaves, until when: it saves the others the work. What keeps two from appending
    # at once is that `size` is compared as it is changed.
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("held_until_us", sa.BigInteger, nullable=False),
)

# Leaves `start` to `start + length - 1` are the records of `writer` from `first` on.
log_runs = sa.Table(
    "audit_log_runs",
    metadata,
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("writer", sa.String(32), nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
)
sa.Index("ix_audit_log_runs_writer", log_runs.c.writer, log_runs.c.first)

log_writers = sa.Table(
    "audit_log_writers",
    metadata,
    sa.Column("writer", sa.String(32), primary_key=True),
    # How many of its records are leaves.
    sa.Column("integrated", sa.BigInteger, nullable=False),
)

log_tiles = sa.Table(
    "audit_log_tiles",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)

log_heads = sa.Table(
    "audit_log_heads",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    # Lines of those who found it consistent with what they had seen.
    sa.Column("cosignatures", sa.Text, nullable=False),
    # An RFC 3161 response.
    sa.Column("stamp", sa.LargeBinary),
)

witnessed_logs = sa.Table(
    "witnessed_logs",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
)
