"""Events for a topic of an MQTT broker.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/mqtt-protocol-binding.md: MQTT
5, whose user properties are attributes; to a broker that speaks 3.1.1 alone, structured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ifonly.service.sending.sink import DELIVERED, Address, ContentMode, Fate
from ifonly.service.wire.cloudevents import STRUCTURED, CloudEvent

PORTS = {"mqtt": 1_883, "mqtts": 8_883}
CONNECT_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
"""For all acknowledgements of one turn."""
LATE = Fate(f"the broker has not acknowledged it within {PUBLISH_SECONDS:g} s")
FIRST_FAILURE = 0x80
"""Reason codes from here on are failures (MQTT 5, 2.4)."""
OLD = "it speaks MQTT 3.1.1, which has no user properties: add ?mode=structured"
VERSION = ("Unsupported protocol version",)
"""As paho names the reason."""


class _NotLetIn(OSError):
    """The broker lets nobody in; says why."""

    def __init__(self, why: str, *, is_of_version: bool = False) -> None:
        self.is_of_version = is_of_version
        super().__init__(why)


class MqttSink:
    """Publishes with quality of service 1: the broker has acknowledged what was delivered."""

    def __init__(self, address: Address) -> None:
        self._mode = address.mode(ContentMode.BINARY)
        self._address = address
        self._connected: _Connection | None = None

    def send(self, events: Sequence[CloudEvent]) -> list[Fate]:
        try:
            if self._connected is None or not self._connected.is_open:
                self.close()
                self._connected = self._connect()
            return self._connected.publish([self._written(event) for event in events])
        except (OSError, ValueError) as error:
            self.close()
            why = str(error) if isinstance(error, _NotLetIn) else type(error).__name__
            return [Fate(f"the broker: {why}")] * len(events)

    def _connect(self) -> _Connection:
        try:
            return _Connection(self._address, mqtt.MQTTv5)
        except _NotLetIn as error:
            if not error.is_of_version:
                raise
            if self._mode is ContentMode.BINARY:
                raise _NotLetIn(OLD, is_of_version=True) from None
            return _Connection(self._address, mqtt.MQTTv311)

    def _written(self, event: CloudEvent) -> tuple[bytes, Properties]:
        properties = Properties(PacketTypes.PUBLISH)
        if self._mode is ContentMode.STRUCTURED:
            properties.ContentType = STRUCTURED
            return event.structured(), properties
        properties.ContentType = event.content_type or ""
        properties.UserProperty = list(event.properties().items())
        return event.data, properties

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None


class _Connection:
    """One connection to the broker, with a thread of the library's."""

    def __init__(self, address: Address, version: Any) -> None:
        """Raises
        ------
        OSError
            If the broker cannot be reached, or refuses.
        """
        self._topic, self._version = address.topic, version
        self._answered = threading.Event()
        self._refusals: list[_NotLetIn] = []
        self._acknowledged: dict[int, Fate] = {}
        self._client = client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.connect_timeout = CONNECT_SECONDS
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.scheme == "mqtts":
            client.tls_set()
        try:
            client.connect(address.host, address.port or PORTS[address.scheme])
        except (OSError, ValueError):
            self.close()
            raise
        client.loop_start()
        answered = self._answered.wait(CONNECT_SECONDS)
        if not self._refusals and not (answered and client.is_connected()):
            # Brokers before MQTT 5 may close the connection without a word.
            self._refusals.append(_NotLetIn("no answer", is_of_version=version == mqtt.MQTTv5))
        if self._refusals:
            self.close()
            raise self._refusals.pop()

    @property
    def is_open(self) -> bool:
        return bool(self._client.is_connected())

    def publish(self, written: Sequence[tuple[bytes, Properties]]) -> list[Fate]:
        has_properties = self._version == mqtt.MQTTv5
        sent = [
            self._client.publish(
                self._topic, body, qos=1, properties=properties if has_properties else None
            )
            for body, properties in written
        ]
        last = time.monotonic() + PUBLISH_SECONDS
        for each in sent:
            if each.rc == mqtt.MQTT_ERR_SUCCESS:
                each.wait_for_publish(max(0.0, last - time.monotonic()))
        fates = [self._acknowledged.pop(each.mid, LATE) for each in sent]
        if LATE in fates:
            # Else it would go on trying to deliver what the outbox has again.
            self.close()
        return fates

    def _on_connect(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            refusal = _NotLetIn(str(reason), is_of_version=str(reason) in VERSION)
            self._refusals.append(refusal)
        self._answered.set()

    def _on_publish(self, _: Any, __: Any, mid: int, reason: Any, ___: Any) -> None:
        failed = getattr(reason, "value", 0) >= FIRST_FAILURE
        self._acknowledged[mid] = Fate(f"the broker: {reason}") if failed else DELIVERED

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # No circle: its sockets are closed with it, and not whenever the collector comes.
        self._client.on_connect = self._client.on_publish = None
