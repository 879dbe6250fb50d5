#!/bin/sh
# Many rows: answered as they come, and as a job whose answers are read as a table.
# Needs a service (`ifonly run`) and curl. Another address: URL=http://host:port examples/bulk.sh
set -eu
MODEL="${URL:-http://127.0.0.1:8080}/api/v1/models/milling-machine/explanations"
ask() {
    curl --silent --show-error --fail-with-body \
        ${IFONLY_KEY:+--header "Authorization: Bearer $IFONLY_KEY"} "$@"
}
rows() {
    cat <<'CSV'
id,air_temperature,process_temperature,rotational_speed,torque,tool_wear,quality
press-7,301.4,310.2,1306,58.6,223,L
press-8,301.4,310.2,1500,40.0,20,L
CSV
}
lines() {
    cat <<'JSON'
{"id": "press-7", "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306, "torque": 58.6, "tool_wear": 223, "quality": "L"}
{"id": "press-8", "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1500, "torque": 40.0, "tool_wear": 20, "quality": "L"}
JSON
}

lines | ask "$MODEL/stream" --header 'Content-Type: application/jsonl' --data-binary @-

JOB=$(rows | ask "$MODEL/bulk" --header 'Content-Type: text/csv' --data-binary @- |
    sed 's/.*"self":"\([^"]*\)".*/\1/')
HOST="${URL:-http://127.0.0.1:8080}"
ask --no-buffer "$HOST$JOB/events" >/dev/null # ends with the job
ask --compressed "$HOST$JOB/result" --header 'Accept: text/csv'
