"""The sink that a URL names."""

from __future__ import annotations

from collections.abc import Mapping

from ifonly.service.errors import SinkUnavailable
from ifonly.service.sending.sink import Address, Sink


def sink_of(url: str, options: Mapping[str, str]) -> Sink:
    """The sink at ``url``; ``options``: of the library that reaches it (Kafka).

    Raises
    ------
    SinkUnavailable
        If it cannot be one, or what it needs is not installed.
    """
    # Each is imported where a setting names it: most services have none.
    address = Address.of(url)
    if address.scheme in ("http", "https"):
        from ifonly.service.sending.http import HttpSink

        return HttpSink(url)
    if not address.topic:
        raise SinkUnavailable("IFONLY_EVENT_SINK names no topic: kafka://HOST:PORT/TOPIC")
    if address.scheme == "kafka":
        try:
            from ifonly.service.sending.kafka import KafkaSink
        except ImportError:
            raise _missing("kafka") from None
        return KafkaSink(address, options)
    if address.scheme in ("mqtt", "mqtts"):
        try:
            from ifonly.service.sending.mqtt import MqttSink
        except ImportError:
            raise _missing("mqtt") from None
        return MqttSink(address)
    raise SinkUnavailable(
        f"IFONLY_EVENT_SINK: {address.scheme!r} is none of http, https, kafka, mqtt, mqtts"
    )


def _missing(extra: str) -> SinkUnavailable:
    return SinkUnavailable(f"IFONLY_EVENT_SINK needs: pip install 'ifonly[{extra}]'")
