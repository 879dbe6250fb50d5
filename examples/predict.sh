#!/bin/sh
# What does the model say of two parts?
set -eu
curl --silent --show-error --fail-with-body \
    "${URL:-http://127.0.0.1:8080}/api/v1/models/milling-machine/predictions" \
    ${IFONLY_KEY:+--header "Authorization: Bearer $IFONLY_KEY"} \
    --header 'Content-Type: application/json' --data @- <<'JSON'
{
  "instances": [
    {"air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
     "torque": 58.6, "tool_wear": 223, "quality": "L"},
    {"air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
     "torque": 58.6, "tool_wear": 0, "quality": "L"}
  ]
}
JSON
echo
