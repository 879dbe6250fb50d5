"""Events for brokers: Kafka by the broker that its library has for tests, MQTT by Mosquitto."""

from __future__ import annotations

import contextlib
import getpass
import json
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from ifonly.service.errors import SinkUnavailable
from ifonly.service.sending.sink import DELIVERED
from ifonly.service.sending.sinks import sink_of
from ifonly.service.settings import Settings
from ifonly.service.wire.cloudevents import JSON, STRUCTURED, CloudEvent
from tests.integration.conftest import free_port, serving
from tests.integration.test_events import LARGE, sorter
from tests.integration.test_sending import alarm

__all__ = ["sorter"]  # a fixture

EVENTS = [
    CloudEvent(
        id=f"event-{k}",
        source="urn:ifonly",
        type="ifonly.inference.explanation",
        content_type=JSON,
        data=json.dumps({"number": k, "text": "토크"}, ensure_ascii=False).encode(),
        attributes={"namespace": "line-a", "inferenceservicename": "grading", "subject": "토크 %"},
    )
    for k in range(3)
]


def as_object(event: CloudEvent) -> dict[str, Any]:
    """As the JSON format has it, read by itself."""
    told = {"specversion": "1.0", "id": event.id, "source": event.source, "type": event.type}
    told |= dict(event.attributes) | {"datacontenttype": JSON}
    return told | {"data": json.loads(event.data)}


# --- Kafka --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    """Host and port of a broker in this process."""
    confluent = pytest.importorskip("confluent_kafka", reason="pip install 'ifonly[kafka]'")
    cluster = confluent.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    (broker,) = cluster.list_topics(timeout=30).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del cluster


def consumed(broker: str, topic: str, count: int) -> list[Any]:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker, "group.id": "tests"})
    last = time.monotonic() + 60
    # None before the first message makes the topic.
    while not (parts := consumer.list_topics(topic, timeout=30).topics[topic].partitions):
        assert time.monotonic() < last, "there is no such topic"
        time.sleep(0.05)
    # Not by subscription: a group has to agree first, for seconds.
    consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in parts])
    found: list[Any] = []
    while len(found) < count:
        assert time.monotonic() < last, f"{len(found)} of {count}"
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


def test_kafka_has_attributes_as_headers_and_one_service_in_one_order(kafka: str) -> None:
    sink = sink_of(f"kafka://{kafka}/explained.binary", {})
    assert sink.send(EVENTS) == [DELIVERED] * 3
    sink.close()
    found = consumed(kafka, "explained.binary", 3)
    assert [message.key() for message in found] == [b"line-a/grading"] * 3
    for event, message in zip(EVENTS, found, strict=True):
        headers = {name: value.decode() for name, value in message.headers()}
        assert headers["content-type"] == JSON
        assert (headers["ce_id"], headers["ce_subject"]) == (event.id, "토크 %")
        assert headers["ce_specversion"] == "1.0"
        assert message.value() == event.data


def test_kafka_has_whole_events_where_that_is_asked_for(kafka: str) -> None:
    sink = sink_of(f"kafka://{kafka}/explained.whole?mode=structured", {})
    assert sink.send(EVENTS) == [DELIVERED] * 3
    sink.close()
    found = consumed(kafka, "explained.whole", 3)
    assert [json.loads(message.value()) for message in found] == [*map(as_object, EVENTS)]
    assert dict(found[0].headers()) == {"content-type": STRUCTURED.encode()}


def test_a_service_tells_kafka_of_an_alarm_that_it_has_explained(kafka: str, sorter: Path) -> None:
    settings = Settings(models=sorter, event_sink=SecretStr(f"kafka://{kafka}/alarms"))
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60) as api:
        alarm(api, "for-kafka", LARGE)
        (message,) = consumed(kafka, "alarms", 1)
    assert json.loads(message.value())["request"]["instance"] == LARGE
    assert dict(message.headers())["ce_requestid"] == b"for-kafka"


def test_a_kafka_that_is_away_is_told_of_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("ifonly.service.sending.kafka", reason="ifonly[kafka]")
    monkeypatch.setattr(module, "DELIVERY_SECONDS", 0.2)
    sink = sink_of(f"kafka://127.0.0.1:{free_port()}/explained", {})
    assert [fate.reason for fate in sink.send(EVENTS)] == ["Kafka: _MSG_TIMED_OUT"] * 3
    sink.close()


# --- MQTT ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("paho.mqtt", reason="pip install 'ifonly[mqtt]'")
    # Debian has it where only root's path leads.
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("Mosquitto is not installed: apt-get install mosquitto")
    folder, port = tmp_path_factory.mktemp("mosquitto"), free_port()
    (folder / "acl").write_text("topic readwrite ifonly/#\ntopic read denied/#\n")
    told = f"listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {folder / 'acl'}\n"
    told += f"user {getpass.getuser()}\n"  # as root it would become somebody who may not be there
    (folder / "conf").write_text(told)
    with subprocess.Popen([program, "-c", folder / "conf"], stderr=subprocess.DEVNULL) as broker:
        until_open(port)
        yield port
        broker.terminate()


def until_open(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("the broker does not start")


@contextlib.contextmanager
def subscribed(port: int, topic: str, *, version: int = 5) -> Iterator[queue.Queue[Any]]:
    import paho.mqtt.client as mqtt

    told: queue.Queue[Any] = queue.Queue()
    ready = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
    client.on_message = lambda _, __, message: told.put(message)
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(30)
    try:
        yield told
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_connect = None  # else a circle, whose sockets the collector closes


def test_mqtt_has_attributes_as_user_properties(mosquitto: int) -> None:
    with subscribed(mosquitto, "ifonly/#") as told:
        sink = sink_of(f"mqtt://127.0.0.1:{mosquitto}/ifonly/explained", {})
        assert sink.send(EVENTS) == [DELIVERED] * 3
        found = [told.get(timeout=30) for _ in EVENTS]
        assert sink.send(EVENTS[:1]) == [DELIVERED]  # by the same connection
        sink.close()
    for event, message in zip(EVENTS, found, strict=True):
        assert (message.topic, message.payload) == ("ifonly/explained", event.data)
        assert message.properties.ContentType == JSON
        named = dict(message.properties.UserProperty)
        assert (named["id"], named["subject"]) == (event.id, "토크 %")
        assert named["specversion"] == "1.0"


def test_mqtt_has_whole_events_where_that_is_asked_for(mosquitto: int) -> None:
    with subscribed(mosquitto, "ifonly/#") as told:
        sink = sink_of(f"mqtt://127.0.0.1:{mosquitto}/ifonly/explained?mode=structured", {})
        assert sink.send(EVENTS[:1]) == [DELIVERED]
        message = told.get(timeout=30)
        sink.close()
    assert json.loads(message.payload) == as_object(EVENTS[0])
    assert message.properties.ContentType == STRUCTURED


def test_a_topic_that_the_broker_does_not_allow_is_no_delivery(mosquitto: int) -> None:
    sink = sink_of(f"mqtt://127.0.0.1:{mosquitto}/denied/x", {})
    assert [fate.reason for fate in sink.send(EVENTS)] == ["the broker: Not authorized"] * 3
    sink.close()


def test_a_broker_that_is_away_is_told_of_each_message() -> None:
    pytest.importorskip("paho.mqtt", reason="pip install 'ifonly[mqtt]'")
    sink = sink_of(f"mqtt://127.0.0.1:{free_port()}/ifonly", {})
    assert [f.reason for f in sink.send(EVENTS)] == ["the broker: ConnectionRefusedError"] * 3


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/x", "none of http"),
        ("kafka://host:9092", "no topic"),
        ("mqtt:///x", "no host"),
        ("mqtt://host:x/y", "no URL"),
        ("mqtt://host/y?mode=odd", "binary and structured"),
        ("mqtt://host/y?retain=1", "retain is no option"),
    ],
)
def test_what_cannot_be_a_sink_is_refused_at_the_start(url: str, problem: str) -> None:
    if url.startswith("mqtt://host/"):
        pytest.importorskip("paho.mqtt", reason="pip install 'ifonly[mqtt]'")
    with pytest.raises(SinkUnavailable, match=problem):
        sink_of(url, {})
