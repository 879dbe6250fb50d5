"""A causal model that uses every key there is."""

from __future__ import annotations

from ifonly.models.schema import Category, Feature, Kind, Schema

SCHEMA = Schema(
    (
        Feature("air", Kind.CONTINUOUS, "K"),
        Feature("process", Kind.CONTINUOUS, "K"),
        Feature("torque", Kind.CONTINUOUS, "Nm"),
        Feature("speed", Kind.CONTINUOUS, "rpm"),
        Feature("power", Kind.CONTINUOUS, "W"),
        Feature("quality", Kind.NOMINAL, categories=(Category("L"), Category("H"))),
    )
)

FULL = """
format = 1
version = "2026-01"
status = "accepted"
accepted_by = "process engineering, line 3"
accepted_at = "2026-01-31"
title = {en = "Line 3", ko = "3호 라인"}

[nodes.air]
role = "fixed"
description = {en = "Air of the hall."}

[nodes.process]
kind = "feature"
role = "consequence"
delay = {en = "about 10 min"}

[nodes.torque]
role = "actionable"

[nodes.speed]
role = "consequence"

[nodes.power]
role = "consequence"

[nodes.quality]
role = "fixed"

[nodes.weather]
kind = "latent"
role = "fixed"

[nodes.torque_before]
kind = "lagged"
role = "fixed"
of = "torque"
lag = 1

[[edges]]
from = "air"
to = "process"
source = "physics"
sign = "+"
evidence = "heat balance"
delay = {en = "minutes"}

[[edges]]
from = "torque"
to = "speed"
sign = "-"

[[edges]]
from = "torque"
to = "power"

[[edges]]
from = "speed"
to = "power"

[[edges]]
from = "weather"
to = "air"

[[edges]]
from = "weather"
to = "process"

[[edges]]
from = "torque_before"
to = "torque"

[[confounders]]
between = ["torque", "speed"]
rho = [-0.2, 0.3]
evidence = "the operator sets both"

[mechanisms.air]
kind = "root"
sd = 2.0

[mechanisms.process]
kind = "linear"
intercept = 10
coefficients = {air = 1.0}
sd = 1.0

[mechanisms.speed]
kind = "expression"
noise = "location-scale"
expression = "1000 + 20000 / torque"
log_scale = "3 + 0.01 * torque"

[mechanisms.power]
kind = "polynomial"
terms = [{coefficient = 0.1, powers = {torque = 1, speed = 1}}, {coefficient = 5}]

[provenance]
source = "drawing 12-7"
data = "January"
data_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
rows = 1000
fitted_at = "2026-01-30T12:00:00Z"
seed = 0

[[provenance.checks]]
check = "noise independence"
node = "speed"
value = 0.02
limit = 0.1
passed = true
note = "distance correlation"
"""
