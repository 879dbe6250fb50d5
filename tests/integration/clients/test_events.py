"""What others read what is sent here by: CloudEvents' SDK, Standard Webhooks' library, a broker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ifonly.service.sending.sink import DELIVERED
from ifonly.service.sending.sinks import sink_of
from ifonly.service.settings import Settings
from ifonly.service.wire.cloudevents import STRUCTURED, read
from tests.integration.clients.conftest import calls, interpreter
from tests.integration.conftest import free_port, serving
from tests.integration.test_brokers import EVENTS, as_object, subscribed, until_open
from tests.integration.test_events import LARGE, sorter
from tests.integration.test_sending import BULK, LINES, WHSEC, alarm, body
from tests.support.receiver import Told, receiving

__all__ = ["sorter"]  # a fixture
pytestmark = pytest.mark.clients


def plain(told: Told) -> dict[str, Any]:
    return {"headers": dict(told.headers), "body": told.body.decode()}


@pytest.fixture(scope="module")
def told(sorter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    interpreter("events")
    file = tmp_path_factory.mktemp("told") / "told.json"
    with receiving() as sink:
        given = {"models": sorter, "event_sink": sink.url, "webhook_hosts": sink.url}
        settings = Settings.model_validate(given | {"webhook_secret": WHSEC})
        with serving(settings) as base, httpx.Client(base_url=base, timeout=60) as api:
            alarm(api, quote("토크 1"), LARGE)
            (event,) = sink.until(1)
            api.post(BULK, content=body(LARGE), headers=LINES, params={"webhook": sink.url})
            hook = sink.until(2)[1]
            (ours,) = read(event.body, {}, STRUCTURED)
            received = {
                "row": LARGE,
                "secret": WHSEC,
                "event": plain(event),
                "webhook": plain(hook),
                "kafka": {
                    "headers": {"content-type": "application/json", **ours.properties("ce_")},
                    "body": ours.data.decode(),
                },
            }
            file.write_text(json.dumps(received), encoding="utf-8")
            found = calls("events", f"{base}/", str(file))
    return found | {"event": json.loads(event.body), "webhook": json.loads(hook.body)}


def test_the_sdk_of_cloudevents_sends_what_is_taken(told: dict[str, Any]) -> None:
    taken = {"accepted": 1, "duplicates": 0, "ignored": 0}
    assert told["sent"] == [taken, taken, {"accepted": 0, "duplicates": 1, "ignored": 0}]


@pytest.mark.parametrize("how", ["read", "kafka"])
def test_the_sdk_of_cloudevents_reads_what_is_sent(told: dict[str, Any], how: str) -> None:
    assert told[how] == {name: told["event"][name] for name in told[how]}
    assert told[how]["requestid"] == "토크 1"
    assert told[how]["data"]["explanation"]["status"] == "optimal"


def test_the_library_of_standard_webhooks_verifies_ours_and_nothing_else(
    told: dict[str, Any],
) -> None:
    assert told["verified"] == told["webhook"]
    assert told["changed"] == told["forged"] == "No matching signature found"


@pytest.fixture
def old_broker(tmp_path: Path) -> Iterator[int]:
    """One that speaks MQTT 3.1.1 alone."""
    pytest.importorskip("paho.mqtt", reason="pip install 'ifonly[mqtt]'")
    program, port = interpreter("events").with_name("amqtt"), free_port()
    plugin = "amqtt.plugins.authentication.AnonymousAuthPlugin"
    (tmp_path / "amqtt.yaml").write_text(
        f'listeners:\n  default:\n    type: tcp\n    bind: "127.0.0.1:{port}"\n'
        f"plugins:\n  {plugin}:\n    allow_anonymous: true\n"
    )
    command = [str(program), "-c", str(tmp_path / "amqtt.yaml")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as broker:
        until_open(port)
        yield port
        broker.terminate()


def test_to_a_broker_of_mqtt_3_whole_events_are_sent_and_others_said_to_be_impossible(
    old_broker: int,
) -> None:
    with subscribed(old_broker, "ifonly", version=4) as heard:
        sink = sink_of(f"mqtt://127.0.0.1:{old_broker}/ifonly?mode=structured", {})
        assert sink.send(EVENTS[:1]) == [DELIVERED]
        assert json.loads(heard.get(timeout=30).payload) == as_object(EVENTS[0])
        sink.close()
    binary = sink_of(f"mqtt://127.0.0.1:{old_broker}/ifonly", {})
    (fate,) = binary.send(EVENTS[:1])
    assert "mode=structured" in (fate.reason or "")
    binary.close()
