"""Run by the interpreter of CloudEvents' SDK and Standard Webhooks' library.

``python events_calls.py URL FILE``: sends events to the URL, and reads what FILE says was received;
prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def sent(url: str, message: Any) -> dict[str, Any]:
    request = urllib.request.Request(url, message.body, dict(message.headers), method="POST")
    with urllib.request.urlopen(request, timeout=60) as reply:
        told: dict[str, Any] = json.load(reply)
    return told


def event(half: str, identity: str, data: dict[str, Any]) -> CloudEvent:
    return CloudEvent(
        attributes={
            "type": f"org.kubeflow.serving.inference.{half}",
            "source": "urn:sdk",
            "id": identity,
            "datacontenttype": "application/json",
            "inferenceservicename": "sorter",
            "namespace": "줄 a",
        },
        data=data,
    )


def read(message: dict[str, Any]) -> dict[str, Any]:
    made = http.HTTPMessage(headers=message["headers"], body=message["body"].encode())
    return said(http.from_http_event(made))


def said(found: Any) -> dict[str, Any]:
    names = ("id", "source", "type", "subject", "requestid", "namespace")
    told = {name: found.get_attributes().get(name) for name in names}
    return told | {"data": found.get_data()}


def of_kafka(message: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value.encode() for name, value in message["headers"].items()}
    made = kafka.KafkaMessage(headers=headers, key=None, value=message["body"].encode())
    return said(kafka.from_kafka_event(made))


def verified(hook: dict[str, Any], secret: str, body: str) -> Any:
    try:
        return Webhook(secret).verify(body, hook["headers"])
    except WebhookVerificationError as error:
        return str(error)


def main(url: str, file: str) -> dict[str, Any]:
    received = json.loads(Path(file).read_text(encoding="utf-8"))
    asked = {"instances": [received["row"]]}
    hook, secret = received["webhook"], received["secret"]
    return {
        "sent": [
            sent(url, http.to_binary_event(event("request", "binary", asked))),
            sent(url, http.to_structured_event(event("request", "structured", asked))),
            sent(url, http.to_binary_event(event("request", "binary", asked))),
        ],
        "read": read(received["event"]),
        "kafka": of_kafka(received["kafka"]),
        "verified": verified(hook, secret, hook["body"]),
        "changed": verified(hook, secret, hook["body"] + " "),
        "forged": verified(hook, f"whsec_{'A' * 32}", hook["body"]),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
