"""CloudEvents 1.0 over HTTP: one in an object (structured), several in a list (batched), or one
whose attributes are headers (binary).

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart
from ifonly.service.wire.strict_json import read_json
from ifonly.service.wire.validation import shown

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON = "application/json"
MOST = 1_000
"""Events of one request."""
LONGEST = 256
"""Characters of an id, a source, a type."""
MOST_ATTRIBUTES, LONGEST_VALUE = 64, 8_192
"""Of one event; KServe sends a service's annotations in one of them."""
PREFIX = "ce-"
_NAME = re.compile(r"[a-z0-9]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no attribute has (the specification, "Type System"): no line of a log, no row."""
_REQUIRED = ("id", "source", "type")
_SAFE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
"""What headers say as it is (3.1.3.2 of the binding)."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event."""

    id: str
    source: str
    type: str
    content_type: str | None = None
    """Of the data."""
    data: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """All others by name, extensions among them; as text."""

    @property
    def _told(self) -> dict[str, str]:
        named = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.type}
        return named | dict(self.attributes)

    def structured(self) -> bytes:
        """As an object; its data, which is JSON, in it."""
        told = self._told | {"datacontenttype": self.content_type or JSON}
        # Spliced, not parsed: an answer in it stays byte for byte as it was recorded.
        head = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        return b'%b,"data":%b}' % (head[:-1], self.data)

    def headers(self, prefix: str = PREFIX) -> dict[str, str]:
        """The attributes as headers of HTTP."""
        return {f"{prefix}{name}": quote(value, _SAFE) for name, value in self._told.items()}

    def properties(self, prefix: str = "") -> dict[str, str]:
        """The attributes as they are, where any text may stand (Kafka, MQTT)."""
        return {f"{prefix}{name}": value for name, value in self._told.items()}


def read(body: bytes, headers: Mapping[str, str], media_type: str) -> list[CloudEvent]:
    """The events of a request; ``media_type``: what its body is declared as, empty if it is not.

    Raises
    ------
    MalformedBody, InvalidRequest
        If it is no event, or not only events; all that is wrong is named.
    """
    if media_type == STRUCTURED:
        return [_one(read_json(body), ())]
    if media_type == BATCHED:
        return _batch(read_json(body))
    return [_binary(body, headers)]


def _invalid(faults: Sequence[Fault]) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, faults)


def _batch(said: Any) -> list[CloudEvent]:
    if not isinstance(said, list):
        raise _invalid([Fault((), f"a batch is a list of events, not {shown(said)}")])
    if len(said) > MOST:
        problem = f"the batch has {len(said):,} events; one request may have {MOST:,}"
        raise _invalid([Fault((), problem, len(said), limit=MOST)])
    found: list[CloudEvent] = []
    faults: list[Fault] = []
    for place, each in enumerate(said):
        try:
            found.append(_one(each, (place,)))
        except InvalidRequest as error:
            faults += error.faults
    if faults:
        raise _invalid(faults)
    return found


def _one(said: Any, at: Path) -> CloudEvent:
    if not isinstance(said, dict):
        raise _invalid([Fault(at, f"an event is an object, not {shown(said)}")])
    told = {name: value for name, value in said.items() if name not in ("data", "data_base64")}
    # An attribute that is null is one that is not there (JSON format, 2.2).
    told = {name: value for name, value in told.items() if value is not None}
    faults = [*_wrong(told, at)]
    if {"data", "data_base64"} <= set(said):
        faults.append(Fault((*at, "data"), "the event has data and data_base64"))
    if faults:
        raise _invalid(faults)
    return _made({name: _text(value) for name, value in told.items()}, _data(said, at))


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _data(said: Mapping[str, Any], at: Path) -> bytes:
    if "data_base64" in said:
        try:
            return base64.b64decode(said["data_base64"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            fault = Fault((*at, "data_base64"), "data_base64 is not text in base64")
            raise _invalid([fault]) from None
    if "data" not in said:
        return b""
    kind = said.get("datacontenttype") or JSON
    # Of JSON, text is a JSON value; of anything else it is the data itself (JSON format, 3.1).
    if isinstance(said["data"], str) and not is_json(kind):
        return str(said["data"]).encode()
    return json.dumps(said["data"], ensure_ascii=False).encode()


def is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))


def _binary(body: bytes, headers: Mapping[str, str]) -> CloudEvent:
    told = {
        name.lower()[len(PREFIX) :]: unquote(value.strip('"'))
        for name, value in headers.items()
        if name.lower().startswith(PREFIX)
    }
    if "specversion" not in told:
        raise _invalid([Fault((), _NO_EVENT, headers.get("content-type"))])
    faults = [
        Fault((f"{PREFIX}{fault.path[-1]}",), fault.problem, fault.value, limit=fault.limit,
              parameter=f"{PREFIX}{fault.path[-1]}")
        for fault in _wrong(told, ())
    ]  # fmt: skip
    if faults:
        raise _invalid(faults)
    content_type = headers.get("content-type")
    return _made(told | ({} if content_type is None else {"datacontenttype": content_type}), body)


_NO_EVENT = (
    f"this is no CloudEvent: it has no header {PREFIX}specversion, and its content type is neither "
    f"{STRUCTURED} nor {BATCHED}"
)


def _wrong(told: Mapping[str, Any], at: Path) -> Iterator[Fault]:
    """What is wrong with the attributes of an event."""
    if told.get("specversion") != "1.0":
        problem = f"specversion is {shown(told.get('specversion'))}, not '1.0'"
        yield Fault((*at, "specversion"), problem, told.get("specversion"), limit="1.0")
    for name in _REQUIRED:
        value = told.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
            problem = f"{name} is {shown(value)}, not text of 1 to {LONGEST} characters"
            yield Fault((*at, name), problem, value, limit=LONGEST)
    if len(told) > MOST_ATTRIBUTES:
        problem = f"the event has {len(told)} attributes; one may have {MOST_ATTRIBUTES}"
        yield Fault(at or ("id",), problem, len(told), limit=MOST_ATTRIBUTES)
        return
    for name, value in told.items():
        if not _NAME.fullmatch(name):
            yield Fault((*at, name), f"{shown(name)} is no name of an attribute (a-z, 0-9)")
        elif not _is_value(value):
            problem = f"{name} is {shown(value)}; an attribute is text without control characters"
            yield Fault((*at, name), problem, limit=LONGEST_VALUE)


def _is_value(value: Any) -> bool:
    """Whether it is text, a whole number or a truth, and not too long."""
    if not isinstance(value, str | int):
        return False
    text = str(value)
    return len(text) <= LONGEST_VALUE and _CONTROL.search(text) is None


def _made(told: Mapping[str, str], data: bytes) -> CloudEvent:
    others = {n: v for n, v in told.items() if n not in (*_REQUIRED, "specversion")}
    content_type = others.pop("datacontenttype", None)
    return CloudEvent(told["id"], told["source"], told["type"], content_type, data, others)
