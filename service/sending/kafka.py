"""Events for a topic of Kafka.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from ifonly.service.errors import SinkUnavailable
from ifonly.service.sending.sink import DELIVERED, Address, ContentMode, Fate
from ifonly.service.wire.cloudevents import STRUCTURED, CloudEvent

PORT = 9_092
DELIVERY_SECONDS = 10.0
"""After which librdkafka gives a message up, and the outbox has it."""
LATE = Fate(f"no acknowledgement within {DELIVERY_SECONDS:g} s")


class KafkaSink:
    """A producer: each message is acknowledged by all replicas in sync."""

    def __init__(self, address: Address, options: Mapping[str, str]) -> None:
        self._mode = address.mode(ContentMode.BINARY)
        self._topic = address.topic
        said: dict[str, Any] = {
            "bootstrap.servers": f"{address.host}:{address.port or PORT}",
            "acks": "all",
            "enable.idempotence": True,
            "message.timeout.ms": round(DELIVERY_SECONDS * 1e3),
            "client.id": "ifonly",
        }
        if address.user is not None:
            said |= {"sasl.username": address.user, "sasl.password": address.password or ""}
        try:
            self._producer = Producer(said | dict(options))
        except (KafkaException, ValueError) as error:
            raise SinkUnavailable(f"IFONLY_EVENT_SINK_OPTIONS: {error}") from None

    def send(self, events: Sequence[CloudEvent]) -> list[Fate]:
        found: dict[int, Fate] = {}

        def told(place: int, error: KafkaError | None, _: object) -> None:
            found[place] = DELIVERED if error is None else Fate(f"Kafka: {error.name()}")

        for place, event in enumerate(events):
            headers, value = self._written(event)
            key = "/".join(event.attributes.get(n, "") for n in ("namespace", _SERVICE))
            try:
                self._producer.produce(
                    self._topic, value, key, headers=headers, on_delivery=partial(told, place)
                )
            except (BufferError, KafkaException) as error:
                found[place] = Fate(f"Kafka: {type(error).__name__}")
        self._producer.flush(DELIVERY_SECONDS + 1.0)
        return [found.get(place, LATE) for place in range(len(events))]

    def _written(self, event: CloudEvent) -> tuple[list[tuple[str, bytes]], bytes]:
        if self._mode is ContentMode.STRUCTURED:
            return [("content-type", STRUCTURED.encode())], event.structured()
        told = {"content-type": event.content_type or "", **event.properties("ce_")}
        return [(name, value.encode()) for name, value in told.items()], event.data

    def close(self) -> None:
        self._producer.flush(1.0)
        # The library's threads end with it; they would tell of a broker that is away for ever.
        del self._producer


_SERVICE = "inferenceservicename"
