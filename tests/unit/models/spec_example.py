"""A spec that uses every key there is."""

FULL = """format = 1
name = "mill"
version = "1.2"
task = "binary"
title = {en = "Mill", ko = "밀링 머신"}
description = {en = "Will the mill fail?"}

[output]
name = "probabilities"
column = 1

[decision]
classes = [{name = "normal", label = {en = "normal", ko = "정상"}}, "failure"]
positive = "failure"
threshold = 0.42
desired = "normal"
[decision.phrases]
alarm = {en = "the alarm"}

[predictor]
url = "https://models.example:8443/team"
protocol = "v2"
model = "mill-7"
version = "7"
rows = "named"
dtype = "FP64"
dtypes = {wear = "INT64"}
binary = true
output = "probabilities"
timeout_ms = 500
batch = 256
calls = 64

[[features]]
name = "torque"
kind = "continuous"
unit = "Nm"
bounds = [0.0, 100.0]
resolution = 0.1
missing = true
label = {en = "torque", ko = "토크"}
description = {en = "at the spindle"}
input = {name = "numbers", column = 0}

[[features]]
name = "wear"
kind = "integer"
bounds = [0, 300]
resolution = 1
input = {name = "numbers", column = 1}

[[features]]
name = "quality"
kind = "ordinal"
categories = [{name = "L", label = {en = "low"}}, "M", "H"]
encoding = "one-hot"
input = {names = ["q_l", "q_m", "q_h"]}

[[features]]
name = "shift"
kind = "nominal"
categories = ["day", "night"]
encoding = "string"
values = ["d", "n"]

[[features]]
name = "tool"
kind = "nominal"
categories = ["a", "b"]
encoding = "values"
values = [1, 2.5]

[[features]]
name = "grade"
kind = "ordinal"
categories = ["I", "II", "III"]
encoding = "thermometer"

[policy]
max_changes = 3
robust = true
confirmed_by = "copy"
change_penalty = 0.1
causal = {gamma = 3, floor = 0.95, graph_weight = 0.1, failed_checks = "forbid"}
target = {probability = {min = 0.9}, robust = true}

[policy.features.torque]
actionable = true
direction = "down"
range = [20.0, 70.0]
max_change = 15.0
weight = 1.5
scale = 10.0
fixed_cost = 0.5
fillable = true
tolerance = 0.5

[policy.features.wear]
only_to = [0]
phrases = {"0" = {en = "the tool replaced", ko = "공구를 교체"}}

[policy.features.quality]
only_to = ["L", "M"]
cost_matrix = [[0, 1, 2], [1, 0, 1], [2, 1, 0]]

[policy.features.shift]
actionable = false
why = {en = "the shift is given"}

[policy.features.tool]
weight = 2

[[policy.rules]]
rule = "torque * wear <= 11000"
why = {en = "overstrain"}

[policy.plausibility]
method = "knn"
k = 5
max_distance = 1.2
why = {en = "unlike anything seen"}

[alarm]
cause = {en = "worn tool"}
consequence = {en = "scrap"}
response = {en = "replace the tool"}
response_without_change = {en = "stop the machine"}
time_to_respond = "30 min"
owner = {en = "shift leader"}
class = "quality"
priority = "high"
on_delay_seconds = 5
off_delay_seconds = 10.5
chattering_minutes = 10

[card]
owner = {en = "press shop", ko = "프레스 공장"}
contact = "press@plant.example"
appeal = {en = "ask the shift leader"}
tier = "high"
intended_use = {en = "warn"}
limitations = {en = "not for start-up"}
training_data = {en = "2025"}
validated = "2026-01-31"
role = "proposes"

[reasons.torque]
code = "P1"
text = {en = "Pressure", ko = "압력"}

[attributes.machine]
label = {en = "machine", ko = "기계"}
identity = true
values = ["Mill 7", "Mill 8"]
max_length = 12

[attributes.shift]
varies = true
"""

WINDOW = """format = 1
name = "pump"
version = "1"
task = "binary"

[window]
steps = 5
period = "1 min"
layout = "channels-steps"

[decision]
classes = ["normal", "alarm"]
positive = "alarm"
desired = "normal"

[[features]]
name = "coolant"
kind = "continuous"
unit = "degC"
bounds = [0, 120]
resolution = 0.5
label = {en = "coolant temperature", ko = "냉각수 온도", ja = "冷却水温度"}

[[features]]
name = "flow"
kind = "integer"
unit = "L/min"
bounds = [0, 60]
resolution = 1

[[features]]
name = "load"
kind = "continuous"
missing = true

[policy]
rules = [{rule = "mean(flow) <= 50"}]

[policy.features.coolant]
range = [20, 90]
max_change = 30
direction = "down"
scale = 5
tolerance = 0.5
profiles = [
    {shape = "constant"},
    {shape = "step", from = ["2 min"]},
    {shape = "ramp", from = ["180 s"]},
]
"""
"""Of a model that reads a window."""
