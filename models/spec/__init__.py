"""The spec of a model folder: read from TOML, checked in full, or refused with every reason."""

from ifonly.models.spec.build import OutputBinding, Spec, parse_spec
from ifonly.models.spec.document import json_schema
from ifonly.models.spec.remote import Protocol, RemoteSpec, RowForm

__all__ = [
    "OutputBinding",
    "Protocol",
    "RemoteSpec",
    "RowForm",
    "Spec",
    "json_schema",
    "parse_spec",
]
