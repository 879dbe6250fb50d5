"""Settings of the service, read from the environment: ``IFONLY_PORT=8080``."""

from __future__ import annotations

import ipaddress
import os
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ifonly.service.floods import FloodRules
from ifonly.service.plant_times import PlantTimes

MAX_DEADLINE_MS = 60_000
"""No question may take longer, whatever the settings."""


_ORIGIN = re.compile(r"(https?|grpcs?)://[^\s/?#@A-Z]+")
_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+")


@cache
def ifonly_version() -> str:
    """Version of the installed distribution; of a bare checkout it is not known."""
    try:
        return version("ifonly")
    except PackageNotFoundError:
        return "0+checkout"


def shipped_models() -> Path:
    """The folder of the models that come with the package."""
    return Path(str(files("ifonly.models") / "artifacts"))


class Settings(BaseSettings):
    """Every knob of the service; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="IFONLY_", frozen=True, extra="ignore")

    models: Path = Field(default_factory=shipped_models)
    """Folder of model folders."""
    # Loopback by default: whoever wants to be reached from outside says so.
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    """0 lets the system choose."""
    # Names are checked against DNS rebinding, by which a page of strangers asks this service.
    allowed_hosts: str = ""
    """Names by which this service may be asked, beside those that follow from ``host`` and
    ``public_url`` (:class:`ifonly.service.doors.http.hosts.Hosts`), as in
    ``ifonly.plant.example, *.plant.example``; ``*``: any."""
    # Open connections cost memory and file handles before anything is known of who asks.
    max_connections: int = Field(800, ge=1)
    """Connections that one process holds; whoever opens another is told to come back (503)."""
    max_body_bytes: int = Field(1_048_576, ge=1)
    """A longer request body is refused with 413."""
    # Counted from the body's start, so a client that drips a byte a minute ends as well.
    body_seconds: float = Field(30.0, gt=0.0)
    """A request body that is not whole by then is refused with 408."""
    default_deadline_ms: int = Field(2_000, ge=1, le=MAX_DEADLINE_MS)
    """For a request that names none."""
    max_deadline_ms: int = Field(MAX_DEADLINE_MS, ge=1, le=MAX_DEADLINE_MS)
    """A request that asks for more gets this much; the reply says how much it was."""
    processes: int = Field(1, ge=1)
    """How many answer at one port, each with all that follows."""
    # Processes of one port share the machine: each takes its part of the processors.
    workers: int = Field(
        default_factory=lambda read: max(1, (os.cpu_count() or 1) // read.get("processes", 1)), ge=1
    )
    """Questions answered at once, each in a thread; model calls release the GIL."""
    # A bounded queue refuses at once what it could only answer too late.
    max_waiting: int = Field(64, ge=0)
    """Questions that may wait for a thread; more are refused with 503."""
    # How hard a question is, only asking it shows: after 50 ms it moves here (decision 0054).
    slow_workers: int = Field(default_factory=lambda: max(8, 2 * (os.cpu_count() or 1)), ge=0)
    """Threads beside ``workers`` for questions that turn out to be slow; see ``Workers``."""
    hard_searches: int = Field(
        default_factory=lambda read: max(1, (os.cpu_count() or 1) // read.get("processes", 1)), ge=1
    )
    """Hard searches that run at once, in slices; the others of them wait, see ``Turns``."""
    share_questions: int = Field(32, ge=0)
    """Explanations of one key or account at once, in each process; more are refused with 429. 0:
    any."""
    # Half the processors: one actor alone cannot keep all others from searching (decision 0084).
    share_search_per_second: float = Field(
        default_factory=lambda: 0.5 * (os.cpu_count() or 1), ge=0.0
    )
    """CPU-seconds a second that hard searches of one key or account may take, over all processes,
    in the long run; who has spent more is refused with 429. 0: any. Not without accounts."""
    share_search_burst: float = Field(120.0, gt=0.0)
    """CPU-seconds of hard searches at once before that counts."""
    # Off by default: what is right depends on the plant (decision 0054).
    rate_per_second: float = Field(0.0, ge=0.0)
    """Requests of one key or account, over all processes; more are refused with 429. 0: any."""
    rate_burst: int = Field(100, ge=1)
    """Requests at once before the rate counts."""
    job_threads: int = Field(1, ge=0)
    """Rows of jobs answered at once, beside the questions; 0: other processes answer them."""
    # A heartbeat renews leases, so only a worker that died or hangs lets one end.
    job_lease_seconds: float = Field(30.0, gt=0.0)
    """After so long without a sign of life a worker's rows are given to another."""
    max_job_bytes: int = Field(33_554_432, ge=1)
    """A longer body of a job is refused with 413; so is one that unpacks to more."""
    max_job_rows: int = Field(10_000, ge=1)
    """A job of more is refused with 413."""
    max_stream_bytes: int = Field(1 << 30, ge=1)
    """Of one stream of rows, unpacked: a longer one ends there."""
    max_stream_rows: int = Field(1_000_000, ge=1)
    """A stream of more ends there."""
    max_streams: int = Field(8, ge=0)
    """Streams of rows at once in each process, half of them of one key or account; more are refused
    with 503. 0: none is answered."""
    keep_jobs_days: float = Field(30.0, gt=0.0)
    """After which finished jobs are forgotten; what they answered stays in the audit trail."""
    keep_idempotency_days: float = Field(2.0, gt=0.0)
    """How long a request may be sent again by its idempotency key."""
    max_waiting_rows: int = Field(100_000, ge=1)
    """Rows of one actor's jobs that may wait, and a quarter of those of all; a job that would make
    it more is refused with 503."""
    # The size of the zip alone: what it unpacks to is counted as it comes out (decision 0063).
    max_upload_bytes: int = Field(67_108_864, ge=0)
    """A longer zip of a model is refused with 413; 0: none is taken."""
    # A graph may hold a loop without end, and would stop the process for all models (0082).
    model_run_seconds: float = Field(10.0, gt=0.0)
    """A run of a model's graph that takes longer is ended, and the model taken out of service."""
    model_trial_seconds: float = Field(120.0, gt=0.0)
    """How long a model may take until it can be served, tried in a process of its own."""
    # Address space is not memory in use: the default model is tried within 1 GiB and uses 275 MB.
    model_memory_bytes: int = Field(4 << 30, ge=1 << 30)
    """Address space of a process that tries a model, or runs a graph that may not end."""
    refresh_seconds: float = Field(5.0, ge=0.0)
    """How often the folder of models is looked at for changes; 0: only at SIGHUP."""
    log_format: Literal["plain", "json"] = "plain"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    shutdown_seconds: int = Field(10, ge=1)
    """How long requests under way may take to finish once the service is told to stop."""

    predictor_host: str | None = None
    """``host[:port]`` of the predictor that this service explains (KServe, protocol V1): every
    explanation is confirmed by it."""
    # A service of another name than its model's, and one model of several services.
    event_models: dict[str, str] = {}
    """Model of each InferenceService whose events come (``NAME`` or ``NAMESPACE/NAME``), as JSON;
    else the model of the same name."""
    event_attributes: dict[str, str] = {}
    """What events say of the equipment, as JSON: attribute by the name of a logged header
    (``logger.metadataHeaders``) or of an extension attribute, ``{"x-equipment": "equipment"}``.
    Extension attributes of an attribute's own name need not be listed."""
    event_rule: Literal["alarms", "all"] = "alarms"
    """Which predictions that events tell of are explained."""
    # A secret, since the URL may hold a password.
    event_sink: SecretStr | None = None
    """Who is told of each explained alarm: ``https://…``, ``kafka://HOST:PORT/TOPIC``,
    ``mqtt://HOST:PORT/TOPIC``, ``mqtts://…``; none: nobody."""
    event_sink_options: dict[str, str] = {}
    """Of librdkafka, for a sink of Kafka, as JSON: ``{"security.protocol": "SASL_SSL", …}``."""
    event_attempts: int = Field(20, ge=1)
    """Tries after which a message is a dead letter; they take about an hour."""
    webhook_hosts: str = ""
    """Where webhooks may be sent to: hosts (``hooks.plant.example, *.mes.example``: https) or
    origins (``http://mes.plant.example:8080``); none: nowhere."""
    webhook_secret: SecretStr | None = None
    """Signs webhooks: ``whsec_`` and base64 of 24 to 64 bytes. Several, with a space between, all
    sign: to change it."""
    event_patience_seconds: float = Field(300.0, gt=0.0)
    """After so long an event whose other half has not come is forgotten."""
    max_waiting_events: int = Field(10_000, ge=1)
    """Pairs of events that nobody has looked at; more are refused with 503."""
    predictor_protocol: Literal["v1", "v2", "mlflow"] = "v1"
    """What it speaks. Folders say more of theirs: ``[predictor]`` of ``spec.toml``."""
    predictor_rows: Literal["objects", "lists", "encoded"] = "objects"
    """How it reads rows: by name, in the model's order, or as the columns that the graph takes.
    Rows of ``/v1/models/NAME:explain`` are sent as the client sent its own, by name or in order."""
    predictor_compare_seconds: float = Field(300.0, ge=0.0)
    """How often predictors are asked about reference rows, to be compared with the copies here; ten
    times as often while one differs or is away. 0: never."""
    experiment_guard_seconds: float = Field(600.0, ge=0.0)
    """How often guards of running experiments are looked at. 0: never by itself."""
    predictor_timeout_ms: int = Field(10_000, ge=1, le=MAX_DEADLINE_MS)
    """How long a call of it may take."""
    # One setting for both: a folder may come from anybody, and must not say where readings and
    # tokens go.
    predictors: dict[str, dict[str, SecretStr]] = {}
    """Servers that ``[predictor]`` of a folder may name, each with the headers that are sent to it,
    as JSON: ``{"https://models.example": {"Authorization": "Bearer …"}}``."""
    grpc_port: int | None = Field(None, ge=0, le=65_535)
    """Where the Open Inference Protocol is answered over gRPC, at ``host``; none: nowhere."""
    mlflow_model: str | None = None
    """Name of the model that MLflow's clients ask, who name none (``/invocations``). Default: the
    only one that is served."""
    otlp_endpoint: str | None = None
    """Who collects traces (OpenTelemetry, OTLP over HTTP): ``http://collector:4318``."""

    data: Path = Path("var")
    """Folder for what the service writes when no database is named."""
    # A secret, since the URL may hold a password: `repr` and logs show stars.
    database_url: SecretStr | None = None
    """``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``; else a file in ``data``."""
    # Durable by default: an answer that no record shows cannot be audited.
    audit_durability: Literal["durable", "eventual"] = "durable"
    """``durable``: a reply leaves once its record is on the disk. ``eventual``: it does not wait,
    and says so."""
    audit_queue: int = Field(1_024, ge=1)
    """Records that may wait to be written; more are refused with 503."""
    audit_anchor_seconds: float = Field(60.0, gt=0.0)
    """How often the ends of all chains are written down in a record."""
    audit_anchor_file: Path | None = None
    """Where those records are appended a second time: best on another machine's disk."""
    audit_keep_days: float = Field(184.0, ge=0.0)
    """What was recorded is not erased by its age before it is so old: six months, as the EU's AI
    Act has it for logs (article 26 (6)); 1827 for the five years that Korean law may ask for."""
    audit_log_seconds: float = Field(1.0, gt=0.0)
    """How often new records become leaves of the log, and its head is signed."""
    audit_log_key_file: Path | None = None
    """The private key that signs heads; made at the first start. Default: beside the store's file,
    or in ``data``."""
    audit_log_key: SecretStr | None = None
    """That key itself, in place of a file: ``PRIVATE+KEY+name+hash+base64``."""
    audit_log_signer: str | None = None
    """Who signs instead (a KMS): a command that reads bytes and writes their Ed25519 signature, or
    ``module:function``. Needs ``audit_log_verifier_key``."""
    audit_log_verifier_key: str | None = None
    """The public key of ``audit_log_signer``: ``name+hash+base64``."""
    audit_tsa_url: str | None = None
    """Who stamps heads with the time (RFC 3161)."""
    # Without roots a stamp proves nothing: anybody can sign a time.
    audit_tsa_roots: Path | None = None
    """Certificates (PEM) that vouch for it: stamps that they do not are not kept."""
    audit_tsa_seconds: float = Field(3_600.0, gt=0.0)
    """How often a head is stamped."""
    audit_witnesses: dict[str, str] = {}
    """Who cosigns heads: URL to verifier key, as JSON. To the URL ``/add-checkpoint`` is added."""
    audit_witness_seconds: float = Field(10.0, gt=0.0)
    """How often the newest head is shown to them."""
    witness_logs: tuple[str, ...] = ()
    """Verifier keys of other logs whose heads this service cosigns, as JSON; none: no witness."""
    witness_key_file: Path | None = None
    """The private key that cosigns; made at the first start. Default: as ``audit_log_key_file``."""
    no_auth: bool = False
    """Answer whoever asks, as whoever they like. Only where nobody else can: on loopback."""
    oidc_issuer: str | None = None
    """``iss`` of the tokens that are accepted beside API keys."""
    oidc_audience: str | None = None
    """``aud`` that they must name."""
    # Fixed here, not taken from a token: a token must not say whose keys prove it.
    oidc_jwks_url: str | None = None
    """Where the issuer's public keys are: https, or http on loopback."""
    oidc_roles_claim: str = "roles"
    """Claim with the holder's roles; dots lead into objects: ``realm_access.roles``."""
    oidc_scope_claim: str | None = None
    """Claim with what they are here for, ``{"models": ["line-a-*"], "attributes": {"line": "a"}}``;
    whoever has none then sees nothing. Without this setting accounts see everything."""

    oidc_client_id: str | None = None
    """Lets people sign in to the pages with their account; needs the three above."""
    oidc_client_secret: SecretStr | None = None
    """Where the issuer wants one; PKCE is used in any case."""
    # The redirect address must be known beforehand: a Host header is what the client says it is.
    public_url: str | None = None
    """Where browsers find this service, as the issuer knows it: ``https://ifonly.plant.example``."""
    # What ISA-18.2 and EEMUA 191 call a flood: more than a person can take in.
    flood_alarms: int = Field(10, ge=2)
    """Alarms raised within ``flood_minutes``: there is a flood; with fewer than half as many it is
    over."""
    flood_minutes: float = Field(10.0, gt=0.0, le=1_440.0)
    # The plant's, not the reader's: "the last shift" has to be the same for all who look.
    time_zone: str = "UTC"
    """Of the plant's days and shifts, as IANA names it: ``Asia/Seoul``. Auditors' pages and CSV
    have it beside UTC; with UTC pages show the browser's own time."""
    shifts: str = "06:00 14:00 22:00"
    """When shifts begin."""
    session_seconds: int = Field(43_200, ge=60)
    """How long somebody stays signed in: a shift and its handover."""

    @property
    def host_patterns(self) -> tuple[str, ...]:
        """``allowed_hosts`` one by one, in lower case."""
        return tuple(filter(None, (name.strip() for name in self.allowed_hosts.lower().split(","))))

    @property
    def webhook_patterns(self) -> tuple[str, ...]:
        """``webhook_hosts`` one by one."""
        return tuple(filter(None, (name.strip() for name in self.webhook_hosts.split(","))))

    @property
    def flood_rules(self) -> FloodRules:
        """When there is a flood of alarms."""
        return FloodRules(self.flood_alarms, round(self.flood_minutes * 60_000_000))

    @property
    def plant_times(self) -> PlantTimes:
        """The plant's clock."""
        return PlantTimes.of(self.time_zone, self.shifts)

    @property
    def store_url(self) -> str:
        """Where the store is. May hold a password: not for logs."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data.absolute() / 'ifonly.sqlite3'}"

    def key_file(self, of: str) -> Path:
        """Where a private key is that no setting names: beside the store's file, never in it."""
        parsed = urlsplit(self.store_url)
        if parsed.scheme == "sqlite":
            # A copy of the store alone must not be enough to sign heads: the key is another file.
            return Path(self.store_url.removeprefix("sqlite:///").partition("?")[0] + f".{of}")
        return self.data.absolute() / f"ifonly.{of}"

    @model_validator(mode="after")
    def _shifts_have_times(self) -> Self:
        PlantTimes.of(self.time_zone, self.shifts)
        return self

    @model_validator(mode="after")
    def _one_key_signs(self) -> Self:
        named = (self.audit_log_key_file, self.audit_log_key, self.audit_log_signer)
        # Two keys would make it a matter of chance by which the log is verified.
        if sum(each is not None for each in named) > 1:
            raise ValueError(
                "audit_log_key_file, audit_log_key and audit_log_signer are one key each: "
                "set one of them"
            )
        # Each signature of a KMS is checked before it is used, and that takes its public key.
        if (self.audit_log_signer is None) != (self.audit_log_verifier_key is None):
            raise ValueError("audit_log_signer and audit_log_verifier_key are needed together")
        return self

    @model_validator(mode="after")
    def _accounts_are_needed_where_others_can_ask(self) -> Self:
        # Refuses to start rather than to warn: a warning in a log is not read.
        if self.no_auth and not is_loopback(self.host):
            raise ValueError(f"no_auth is for loopback only, and the host is {self.host}")
        # A browser here reaches loopback too: the Host check is all that stops its pages.
        if self.no_auth and "*" in self.host_patterns:
            raise ValueError(
                "no_auth and allowed_hosts=*: any page that a browser here shows could ask"
            )
        return self

    @model_validator(mode="after")
    def _predictors_are_origins(self) -> Self:
        for origin in self.predictors:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"predictors: {origin!r} is no scheme, host and port in lower case "
                    "(https://models.example:8443)"
                )
        return self

    @model_validator(mode="after")
    def _hosts_are_names(self) -> Self:
        wrong = [name for name in self.host_patterns if not _PATTERN.fullmatch(name)]
        if wrong:
            raise ValueError(f"allowed_hosts: {wrong[0]!r} is no name without port, nor *.name")
        return self

    @model_validator(mode="after")
    def _oidc_is_whole_or_absent(self) -> Self:
        given = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(given) and not all(given):
            raise ValueError("oidc_issuer, oidc_audience and oidc_jwks_url are needed together")
        if self.oidc_client_id is not None and not (all(given) and self.public_url):
            raise ValueError("oidc_client_id needs oidc_issuer and its settings, and public_url")
        if self.oidc_jwks_url is not None:
            url = urlsplit(self.oidc_jwks_url)
            if url.scheme != "https" and not (
                # On loopback nobody can stand between; tests and sidecars have their issuer there.
                url.scheme == "http" and is_loopback(url.hostname or "")
            ):
                raise ValueError("oidc_jwks_url must be https: who forges it forges every token")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can ask there."""
    try:
        # Names are not resolved: what one means may change after the check.
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
