"""The models that are served, each with its policy and its words, and how they are kept fresh."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.policy import Policy
from ifonly.explainers.verify import Rulebook
from ifonly.explainers.wording import Wording
from ifonly.models.errors import SpecError, UnknownModel
from ifonly.models.onnx import GuardLimits
from ifonly.models.repository import (
    DeployedModel,
    FolderRefusal,
    RefreshChanges,
    Repository,
    load_folder,
)
from ifonly.models.repository.activation import Activation
from ifonly.models.repository.files import Signature, signature_of
from ifonly.models.schema import Decision, Schema
from ifonly.service.access import EVERYTHING, Scope
from ifonly.service.errors import ModelsNotFound
from ifonly.service.logs import logger
from ifonly.service.served.causal_model import (
    Semantics,
    ServedCausal,
    moves_of_window,
    prepare_causal,
    read_graph_of,
)
from ifonly.service.served.checking import rulebook_of
from ifonly.service.served.sandbox import Sandbox
from ifonly.service.settings import Settings, shipped_models

if TYPE_CHECKING:
    from ifonly.explainers.search.portfolio import Portfolio
    from ifonly.service.served.remote.drift_report import DriftReport
    from ifonly.service.served.remote.remote import RemotePredictor
    from ifonly.service.served.remote.remotes import Remotes

SPEC = "spec.toml"
MOST_KEPT = 4
"""Models that are loaded, and not served."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of a model with everything that answering needs."""

    deployed: DeployedModel
    policy: Policy
    wording: Wording
    spec_text: bytes
    """``spec.toml`` as it was when the model was loaded."""
    rulebook: Rulebook
    """The folder's documents, as the checker reads them."""
    graph: CausalSpec | None = None
    """What ``causal.toml`` says, whether it is used or not; None: there is none."""
    causal: ServedCausal | None = None
    """The causal model, if a person has accepted it."""
    predictor: RemotePredictor | None = None
    """The process that is the deployed model, where ours is a copy of it: confirms each answer."""
    moves: CausalConsequences | None = None
    """Of a window: what its profiles move, whether a causal model says more or not."""
    own_engine: Portfolio | None = None
    """Answers in place of the one that the graph asks for: to try or to measure it."""

    @cached_property
    def engine(self) -> Portfolio:
        """What answers; made when it is first asked for, which is before the model is served.

        Who only lists models imports no solver.
        """
        from ifonly.explainers.search.blackbox import Blackbox
        from ifonly.explainers.search.portfolio import Portfolio, engines_for

        if self.own_engine is not None:
            return self.own_engine
        if not self.deployed.has_copy:
            # Nothing is proven of what only answers: its next answer may be another.
            return Portfolio((Blackbox(enumerable=0),))
        return engines_for(self.deployed.form, self.schema)

    @cached_property
    def readable_engine(self) -> Portfolio:
        """What tells of all that may be read, also of features that have no step to be set by; the
        same as :attr:`engine` where all have one."""
        from ifonly.explainers.reasons.readable import readable_schema
        from ifonly.explainers.search.portfolio import engines_for

        readable = readable_schema(self.schema)
        if readable is self.schema or not self.deployed.has_copy or self.own_engine is not None:
            return self.engine
        return engines_for(self.deployed.form, readable)

    @property
    def name(self) -> str:
        return self.deployed.name

    @property
    def version(self) -> str:
        return self.deployed.version

    @property
    def asked_at(self) -> str | None:
        """Where its predictor is asked; None: it has none."""
        return None if self.predictor is None else self.predictor.url

    @property
    def differs(self) -> DriftReport | None:
        """The last look at the predictor, where it answered as another model would."""
        compared = None if self.predictor is None else self.predictor.compared
        return compared if compared is not None and compared.differs else None

    @property
    def semantics(self) -> Semantics:
        """What a question is answered by that does not say."""
        # Features that follow would otherwise be told to stay, which no machine does.
        return Semantics.INTERVENTIONAL if self.causal else Semantics.INDEPENDENT

    @property
    def schema(self) -> Schema:
        return self.deployed.spec.schema

    @property
    def decision(self) -> Decision:
        return self.deployed.spec.decision


def prepare(deployed: DeployedModel) -> ServedModel:
    """Read the policy of a model that was just loaded.

    Raises
    ------
    SpecError
        If the policy breaks a rule; the folder is then refused like any other broken one.
    """
    file = f"{deployed.name}/{deployed.version}/{SPEC}"
    spec = deployed.spec
    text = (deployed.folder / SPEC).read_bytes()
    # Clients and bundles are shown this text: it must be the one that the model was loaded by.
    if hashlib.sha256(text).hexdigest() != deployed.spec_sha256:
        raise SpecError(file, "", "changed while it was read")
    try:
        policy = Policy.read(
            spec.policy,
            spec.schema,
            spec.decision,
            reference=deployed.reference,
            plausibility=deployed.plausibility,
        )
        wording = Wording(spec.schema, spec.decision, policy.phrases or {})
        graph = read_graph_of(deployed)
        causal = prepare_causal(deployed, graph, policy)
    # A folder whose policy is broken is refused whole: without limits answers would harm.
    except InvalidPolicy as error:
        raise SpecError(file, error.key, error.problem) from error
    rulebook = rulebook_of(deployed)
    moves = moves_of_window(deployed)
    return ServedModel(deployed, policy, wording, text, rulebook, graph, causal, moves=moves)


def _log_compared(name: str, url: str, before: DriftReport | None, found: DriftReport) -> None:
    """Say what is new: a log must not repeat itself."""
    if found.differs and not (before is not None and before.differs):
        told = "%s answers as another model than %s here: %d of %d reference rows differ"
        logger.warning(told, url, name, found.differing, found.rows)
    elif found.why and not (before is not None and before.why):
        logger.warning("%s could not be compared with its predictor", name)
    elif found.rows and not found.differs and (before is None or before.differs or before.why):
        logger.info("%s answers as %s here does, of %d reference rows", url, name, found.rows)


def remotes_of(settings: Settings) -> Remotes:
    """The predictors that folders and settings name."""
    # Imported where a service or a command begins: who reads a folder asks nobody.
    from ifonly.service.served.remote.remotes import Remotes

    return Remotes(settings)


def asking(model: ServedModel, remotes: Remotes) -> ServedModel:
    """The model, with the predictor that confirms its answers, or that has it.

    Raises
    ------
    SpecError
        If its folder names a server that no setting allows.
    """
    predictor = remotes.of(model.deployed.spec)
    if predictor is None or model.deployed.has_copy:
        return replace(model, predictor=predictor)
    from ifonly.service.served.remote.scoring import RemoteScorer

    scorer = RemoteScorer(predictor, model.decision)
    return replace(model, predictor=predictor, deployed=replace(model.deployed, predictor=scorer))


class Registry:
    """The repository of models as the service uses it. Thread-safe: see :class:`Repository`.

    ``warm`` is called with each model before it is served, or takes the place of the one before;
    ``sandbox`` tries each folder before this process looks into it; ``remotes`` knows the processes
    that models are deployed in, if those are others.
    """

    def __init__(
        self,
        root: Path,
        *,
        warm: Callable[[ServedModel], object] | None = None,
        sandbox: Sandbox | None = None,
        remotes: Remotes | None = None,
    ) -> None:
        def ready(deployed: DeployedModel) -> ServedModel:
            model = prepare(deployed)
            if remotes is not None:
                model = asking(model, remotes)
            # A start must not depend on a predictor.
            if warm is not None and model.deployed.has_copy:
                warm(model)
            return model

        self.root = root
        self._scope = EVERYTHING
        self._sandbox = sandbox
        self._remotes = remotes
        self._kept: dict[tuple[Path, Signature], ServedModel] = {}
        self._kept_lock = threading.Lock()
        limits, before = (None, None) if sandbox is None else (sandbox.limits, self._try)
        self._repository: Repository[ServedModel] = Repository(
            root, ready, limits=limits, before=before
        )

    @classmethod
    def of(
        cls, settings: Settings, *, warm: Callable[[ServedModel], object] | None = None
    ) -> Registry:
        """That of a service: nothing of its folder is trusted but what came with the package."""
        limits = GuardLimits(
            settings.model_run_seconds, settings.model_trial_seconds, settings.model_memory_bytes
        )
        sandbox = Sandbox(limits, trusted=shipped_models())
        return cls(settings.models, warm=warm, sandbox=sandbox, remotes=remotes_of(settings))

    def close(self) -> None:
        """Let go of all predictors."""
        if self._remotes is not None:
            self._remotes.close()

    def compare(self) -> Iterator[ServedModel]:
        """Compare every model that has a copy here and is deployed elsewhere with itself; each of
        these, once its predictor's :attr:`compared` is new. What changes is logged."""
        from ifonly.service.served.remote.comparing import compare

        for model, predictor in self._compared():
            before, found = predictor.compared, compare(model.deployed, predictor)
            predictor.compared = found
            _log_compared(f"{model.name}/{model.version}", predictor.url, before, found)
            yield model

    @property
    def has_uncompared(self) -> bool:
        """Whether a model was loaded since the last comparison."""
        return any(predictor.compared is None for _, predictor in self._compared())

    def _compared(self) -> Iterator[tuple[ServedModel, RemotePredictor]]:
        """Models that have a copy here and are deployed elsewhere."""
        for model in self._all():
            if model.predictor is not None and model.deployed.has_copy:
                yield model, model.predictor

    def differing(self) -> tuple[str, ...]:
        """``name/version`` of models whose predictor answers as another model would."""
        return tuple(
            f"{model.name}/{model.version}"
            for model in self._all()
            if self._scope.has_model(model.name) and model.differs is not None
        )

    def _all(self) -> Iterator[ServedModel]:
        """Every version of every model."""
        for name in self._repository.names():
            with suppress(UnknownModel):  # a refresh may have dropped it since
                for version in self._repository.versions(name):
                    yield self._repository.prepared(name, version)

    def within(self, scope: Scope) -> Registry:
        """The same models as somebody of that scope sees them."""
        # A view: the repository, and what is loaded, is one for all scopes.
        other = copy(self)
        other._scope = scope
        return other

    def read(self, folder: Path, root: Path) -> ServedModel:
        """The model in ``folder``, a version folder below ``root``, as it would be served.

        Raises
        ------
        ModelError
            If it would be refused.
        """
        if self._sandbox is None:
            return self._asked(prepare(load_folder(folder, root)))
        # Tried first in a process of its own: a graph may take any memory or time (decision 0082).
        with closing(self._sandbox):
            self._sandbox.check(folder, root)
        return self._asked(prepare(load_folder(folder, root, limits=self._sandbox.limits)))

    def _asked(self, model: ServedModel) -> ServedModel:
        """The model, with who is asked of it."""
        return model if self._remotes is None else asking(model, self._remotes)

    @property
    def limits(self) -> GuardLimits:
        """What a model may cost."""
        return GuardLimits() if self._sandbox is None else self._sandbox.limits

    def read_once(self, folder: Path, root: Path) -> ServedModel:
        """As :meth:`read`; the last ones stay loaded as long as nobody writes to their folders."""
        key = (folder, signature_of(folder))
        with self._kept_lock:
            if key not in self._kept:
                self._kept[key] = self.read(folder, root)
            # Last again: the one that was asked longest ago goes first.
            model = self._kept[key] = self._kept.pop(key)
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return model

    def _try(self, folder: Path) -> None:
        assert self._sandbox is not None
        self._sandbox.check(folder, self.root)

    def load(self) -> None:
        """Read every folder for the first time.

        Raises
        ------
        ModelsNotFound
            If there is no such folder, or nothing in it can be served.
        """
        try:
            self._looked()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ModelsNotFound(f"{self.root} is no folder of models: {reason}") from None
        if not self.names():
            reasons = [f"\n{identity}: {r.reason}" for identity, r in self.refused.items()]
            raise ModelsNotFound(f"{self.root} has no model that can be served{''.join(reasons)}")
        # Against nothing: at the start each refusal is news.
        self._log_refused({})

    def refresh(self) -> None:
        """Load what changed; what cannot be loaded is logged, and what it was stays served."""
        before = self.refused
        try:
            changes = self._looked()
        except OSError as error:
            logger.warning(
                "%s cannot be read (%s); what was loaded stays served", self.root, error.strerror
            )
            return
        for what in ("loaded", "removed", "activated"):
            for identity in getattr(changes, what):
                logger.info("%s model %s", what, identity)
        self._log_refused(before)

    def _looked(self) -> RefreshChanges:
        # The sandbox's process ends with the look: none idles with a model's memory.
        with closing(self._sandbox) if self._sandbox is not None else nullcontext():
            return self._repository.refresh()

    def _log_refused(self, before: Mapping[str, FolderRefusal]) -> None:
        for identity, refusal in self.refused.items():
            # Said once: refreshes come every few seconds, and a log must not repeat itself.
            if before.get(identity) != refusal:
                logger.warning("refused model %s: %s", identity, refusal.reason)

    @property
    def refused(self) -> Mapping[str, FolderRefusal]:
        """``name/version`` of what is not served as it stands, and why: folders that cannot be
        loaded, and models that were taken out of service."""
        broken = {
            f"{model.name}/{model.version}": FolderRefusal(
                model.name, model.version, fault, still_served=False, is_out_of_service=True
            )
            for model in self._repository.models()
            if (fault := model.guard.fault) is not None
        }
        # The refusal of a folder as it is now is the newer reason.
        found = {**broken, **self._repository.refused}
        return {key: r for key, r in found.items() if self._scope.has_model(r.name)}

    def in_service(self) -> tuple[str, ...]:
        """Names of the models that can be asked, sorted."""
        return tuple(name for name in self.names() if self._is_in_service(name))

    def _is_in_service(self, name: str) -> bool:
        try:
            return self.find(name).deployed.guard.fault is None
        except UnknownModel:  # a refresh has dropped it since
            return False

    def names(self) -> tuple[str, ...]:
        return tuple(n for n in self._repository.names() if self._scope.has_model(n))

    def activation(self, name: str) -> Activation | None:
        """What was decided last of the versions of a model; None: nothing."""
        self._check_scope(name)
        return self._repository.activation(name)

    def versions(self, name: str) -> tuple[str, ...]:
        # Asked first: of what is out of scope not even the versions are told.
        self._check_scope(name)
        return self._repository.versions(name)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """A model that can be asked; where no version is named the one that is active.

        Raises
        ------
        UnknownModel
            If no model of that name and version is served.
        OutOfService
            If it was taken out of service.
        """
        model = self.find(name, version)
        # Of the one that was found, not by name: a refresh may have put another in its place.
        model.deployed.guard.check()
        return model

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """As :meth:`get`, whether it can be asked or not: to tell of it.

        Raises
        ------
        UnknownModel
            If no model of that name and version is there.
        """
        self._check_scope(name)
        return self._repository.prepared(name, version)

    def may_see(self, name: str) -> bool:
        """Whether a model of that name is within the scope, here or not."""
        return self._scope.has_model(name)

    def _check_scope(self, name: str) -> None:
        """What is out of scope is not there; nor does the message say what else is."""
        # The same message as for a name that nobody has: no telling which models others have.
        if not self._scope.is_everything and name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise UnknownModel(f"no model {name!r} is deployed; deployed: {known}")
