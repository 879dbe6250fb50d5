#!/bin/sh
# Why did the alarm sound, and what is the smallest change that would have kept it silent?
# Needs a service (`ifonly run`) and curl. Another address: URL=http://host:port examples/explain.sh
set -eu
curl --silent --show-error --fail-with-body \
    "${URL:-http://127.0.0.1:8080}/api/v1/models/milling-machine/explanations" \
    ${IFONLY_KEY:+--header "Authorization: Bearer $IFONLY_KEY"} \
    --header 'Content-Type: application/json' --data @- <<'JSON'
{
  "instance": {
    "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
    "torque": 58.6, "tool_wear": 223, "quality": "L"
  }
}
JSON
echo
