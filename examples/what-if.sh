#!/bin/sh
# What would the model say with a new tool and 50 Nm, and would the plant's rules allow it?
set -eu
curl --silent --show-error --fail-with-body \
    "${URL:-http://127.0.0.1:8080}/api/v1/models/milling-machine/what-if" \
    ${IFONLY_KEY:+--header "Authorization: Bearer $IFONLY_KEY"} \
    --header 'Content-Type: application/json' --data @- <<'JSON'
{
  "instance": {
    "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
    "torque": 58.6, "tool_wear": 223, "quality": "L"
  },
  "set": {"torque": 50, "tool_wear": 0}
}
JSON
echo
