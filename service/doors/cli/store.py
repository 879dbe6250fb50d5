"""``ifonly db`` and ``ifonly keys``: the store's tables, and who may ask."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.access import EVERYTHING, Role, Scope
from ifonly.service.audit.recent_accesses import with_query
from ifonly.service.audit.trust_root import LOG_KEY, signer_of
from ifonly.service.doors.cli.console import AsJson, Failure, err, out, print_json, settings
from ifonly.service.settings import Settings, ifonly_version
from ifonly.service.store import keys as store_keys
from ifonly.service.store.backup import backup as copy_store
from ifonly.service.store.chain import DAY_US, Facts, now_us, timestamp
from ifonly.service.store.database import connect
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.migrate import require_current, upgrade
from ifonly.service.store.opened import Store, opened_by

tables = typer.Typer(help="The store's tables.", no_args_is_help=True)
keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


def by() -> str:
    """Whoever types, as records name them."""
    try:
        # The prefix keeps a system user apart from a key or an account of the same name.
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in containers
        return "cli"


def look(store: Store, status: str, what: str, query: str = "", about: str | None = None) -> None:
    """Record that whoever types sees what was recorded.

    Raises
    ------
    JournalFull, StoreUnavailable
        If it cannot be recorded: then nothing is to be shown.
    """
    facts = Facts(
        kind=RecordKind.ACCESS,
        actor=by(),
        about=about,
        status=status,
        engine_version=ifonly_version(),
        detail={"by": f"ifonly {what}"},
    )
    # Waited for: what cannot be recorded must not be shown, as over HTTP.
    store.journal.append(with_query(facts, query)).result()


def prepare(chosen: Settings) -> None:
    """Bring the store up to date before it is served; at the first start make the first key, and
    the one that signs the log.

    Raises
    ------
    NoLogKey
        If what the settings name cannot sign.
    StoreUnavailable, StoreDamaged, StoreOutdated
        If it cannot be used.
    """
    with closing(connect(chosen.store_url)) as database:
        # Before the processes start: several of them would migrate at once.
        upgrade(database)
        # Made here, where whoever starts the service can be told its verifier key.
        signer, made = signer_of(chosen, database)
        # A store without keys could be used by nobody, and no route makes the first one.
        is_first = not chosen.no_auth and not store_keys.listing(database)
    if made and signer is not None:
        where = chosen.audit_log_key_file or chosen.key_file(LOG_KEY)
        err.print(
            f"Made the key that signs the audit log: {where}. Whoever checks the log needs its "
            f"verifier key:\n{signer.key}",
            markup=False,
        )
    if is_first:
        token = _create(chosen, Role.ADMIN, "first start", None)
        err.print(
            f"The first key of this store, for the role admin. It is shown this once:\n{token}",
            markup=False,
        )


@tables.command("upgrade")
def upgrade_tables() -> None:
    """Run the migrations that are missing. `ifonly serve` does so too."""
    chosen = settings()
    with closing(connect(chosen.store_url)) as database:
        out.print(f"the store's tables are at revision {upgrade(database)}", markup=False)


@tables.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
) -> None:
    """Copy a SQLite store while it is used; PostgreSQL has pg_dump."""
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        size = copy_store(database, target)
    out.print(f"{target} has the store: {size:,} bytes", markup=False)


@keys.command("create")
def create(
    role: Annotated[Role, typer.Option("--role", help="What the key is for.")],
    label: Annotated[str, typer.Option("--label", help="Whose it is, for people.")] = "",
    days: Annotated[
        int | None, typer.Option("--expires-days", min=1, max=3_650, help="Default: never.")
    ] = None,
    models: Annotated[
        list[str],
        typer.Option("--model", help="Pattern of the models it is for, as 'line-a-*'; repeatable."),
    ] = [],  # noqa: B006 (typer makes a new one)
    attributes: Annotated[
        list[str],
        typer.Option(
            "--attribute", help="What requests must say in `attributes`, as line=a; repeatable."
        ),
    ] = [],  # noqa: B006
) -> None:
    """Make a key and print it: this once, for only its hash is kept."""
    out.print(_create(settings(), role, label, days, _scope(models, attributes)), markup=False)


def _scope(models: list[str], attributes: list[str]) -> Scope:
    """Raises
    ------
    Failure
        If it is none.
    """
    said: dict[str, list[str]] = {}
    for attribute in attributes:
        name, is_given, value = attribute.partition("=")
        if not is_given:
            raise Failure(f"--attribute {attribute} is not NAME=VALUE")
        said.setdefault(name, []).append(value)
    try:
        return Scope.read({"models": models or ["*"], "attributes": said})
    except ValueError as error:
        raise Failure(f"this is no scope: {error}") from None


def _create(
    chosen: Settings, role: Role, label: str, days: int | None, scope: Scope = EVERYTHING
) -> str:
    expires = None if days is None else now_us() + days * DAY_US
    token, work = store_keys.create(role, label, expires, by(), scope)
    with opened_by(chosen) as store:
        store.journal.append(work).result()
    return token


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Every key by its prefix, never the key."""
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        found = store_keys.listing(database)
    rows = [
        {
            "key": key.shown,
            "role": key.role,
            "state": key.state(now_us()),
            "created": timestamp(key.created_us),
            "expires": None if key.expires_us is None else timestamp(key.expires_us),
            "scope": key.scope,
            "label": key.label,
        }
        for key in found
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("key", "role", "state", "created", "expires", "scope", "label")
    for row in rows:
        table.add_row(*(Text(value or "–") for value in row.values()))
    out.print(table)


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Prefix of the key, as `keys list` shows it.")],
) -> None:
    """End a key. Services that run know of it within five seconds."""
    # A whole key may be pasted: its id stands between the underscores.
    parts = key.split("_")
    identity = parts[1] if key.startswith(store_keys.PREFIX) else key
    with opened_by(settings(), migrate=False) as store:
        store.journal.append(store_keys.revoke(identity, by())).result()
    out.print(f"{store_keys.PREFIX}{identity} is revoked", markup=False)
