"""Two versions of a model, of those that whoever asks may see."""

from __future__ import annotations

from ifonly.models.errors import UnknownModel
from ifonly.service.access import Principal, Role
from ifonly.service.ask.differences import told, version_before
from ifonly.service.audit.comparison import version_of
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.wire import differences as wire


def differences(
    registry: Registry, name: str, query: wire.DifferencesQuery, principal: Principal
) -> wire.DifferencesReply:
    """Raises
    ------
    UnknownModel
        If there is no such version.
    CannotUpload
        If one is staged, and cannot be loaded.
    """
    version = query.version or registry.get(name).version
    before = query.before or version_before(registry.versions(name), version)
    return told(*(_found(registry, name, each, principal) for each in (before, version)))


def _found(registry: Registry, name: str, version: str, principal: Principal) -> ServedModel:
    if Role.ADMIN not in principal.roles:  # of what is staged only admins know
        return registry.get(name, version)
    try:
        return version_of(registry, name, version)
    except UnknownModel:
        return registry.get(name, version)  # which says which there are
