#!/bin/sh
# The same alarm when the torque must not go below 52 Nm and at most two settings may change;
# "normal" is wanted with a probability of at least 0.9, three ways to get there, in Korean.
set -eu
curl --silent --show-error --fail-with-body \
    "${URL:-http://127.0.0.1:8080}/api/v1/models/milling-machine/explanations" \
    ${IFONLY_KEY:+--header "Authorization: Bearer $IFONLY_KEY"} \
    --header 'Content-Type: application/json' --data @- <<'JSON'
{
  "instance": {
    "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
    "torque": 58.6, "tool_wear": 223, "quality": "L"
  },
  "target": {"class": "normal", "probability": {"min": 0.9}},
  "constraints": {"ranges": {"torque": [52, null]}, "max_changes": 2},
  "alternatives": 3,
  "deadline_ms": 5000,
  "languages": ["ko"]
}
JSON
echo
