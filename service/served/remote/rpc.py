"""The Open Inference Protocol over gRPC (V2): one call of ``ModelInfer``.

Imported only where a folder declares it: grpcio is an extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from ifonly.models.predictor import Rows
from ifonly.models.spec import RemoteSpec, RowForm, Spec
from ifonly.service.served.remote import open_inference
from ifonly.service.served.remote.failures import MISSHAPEN, CallFailed, FailureKind, head, unclear
from ifonly.service.served.remote.http import MOST_BYTES
from ifonly.service.served.remote.messages import MESSAGES, SERVICE

_FAILURES = {
    grpc.StatusCode.DEADLINE_EXCEEDED: FailureKind.LATE,
    grpc.StatusCode.UNAVAILABLE: FailureKind.AWAY,
    grpc.StatusCode.RESOURCE_EXHAUSTED: FailureKind.BUSY,
}
"""All others: an answer."""
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # the predictor is beside us, and readings stay there
    ("grpc.enable_retries", 0),  # ours know the question's time
)


class RpcCaller:
    """Calls of one model. Thread-safe; its connection is opened when it is first asked."""

    def __init__(self, remote: RemoteSpec, spec: Spec, headers: Mapping[str, str]) -> None:
        """``headers``: sent as metadata with each call."""
        self._remote = remote
        self._spec = spec
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        scheme, _, rest = remote.url.partition("://")
        target = rest.partition("/")[0]
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(), _OPTIONS)
            if scheme == "grpcs"
            else grpc.insecure_channel(target, _OPTIONS)
        )
        self.url = f"{scheme}://{target}/{SERVICE}/ModelInfer of {remote.model}"
        self._infer = self._channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=MESSAGES["ModelInferRequest"].SerializeToString,
            response_deserializer=MESSAGES["ModelInferResponse"].FromString,
        )

    def once(self, rows: Rows, form: RowForm, seconds: float) -> list[Any]:
        """As :class:`ifonly.service.served.remote.remote.Caller`."""
        try:
            reply = self._infer(
                self._request(rows, form), timeout=max(seconds, 1e-3), metadata=self._metadata
            )
        except grpc.RpcError as error:
            how = _FAILURES.get(error.code(), FailureKind.SAID)
            text = head(error.details() or "")
            raise CallFailed(f"{self.url} answered {error.code().name}", how, text) from error
        try:
            return _words(reply, len(rows), self._remote.output)
        except MISSHAPEN as error:
            wanted = open_inference.expected(len(rows), self._remote.output)
            raise unclear(self.url, "OK", str(reply), wanted) from error

    def _request(self, rows: Rows, form: RowForm) -> Any:
        remote, schema, encoding = self._remote, self._spec.schema, self._spec.encoding
        sent = open_inference.tensors(rows, form, remote, schema, encoding)
        asked = MESSAGES["ModelInferRequest"](
            model_name=remote.model, model_version=remote.version or ""
        )
        for tensor in sent:
            shape = tensor.values.shape
            asked.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
            asked.raw_input_contents.append(tensor.raw)
        if form is RowForm.NAMED:
            for key, value in open_inference.TABLE.items():
                asked.parameters[key].string_param = value
        if remote.output is not None:
            asked.outputs.add(name=remote.output)
        return asked

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()


def _words(reply: Any, count: int, output: str | None) -> list[Any]:
    found = []
    for place, told in enumerate(reply.outputs):
        if reply.raw_output_contents:
            values = open_inference.from_bytes(reply.raw_output_contents[place], told.datatype)
        else:
            # Whichever of the typed lists the datatype has: the others are empty.
            (values,) = [list(v) for _, v in told.contents.ListFields()]
            values = [v.decode() if isinstance(v, bytes) else v for v in values]
        found.append((told.name, list(told.shape), values))
    return open_inference.chosen(found, count, output)
