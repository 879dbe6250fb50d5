from __future__ import annotations

import hashlib
import pickle
from decimal import Decimal

import pytest

from ifonly.models.encoding import Form
from ifonly.models.schema import Kind, Task
from ifonly.models.spec import parse_spec
from tests.support.broken import Broken
from tests.unit.models.spec_example import FULL

MILL = Broken(FULL, parse_spec, "mill/1/spec.toml")
edited, refused = MILL.edited, MILL.refused


def test_a_full_spec_becomes_schema_decision_and_encoding():
    spec = parse_spec(FULL.encode(), "spec.toml")
    assert (spec.name, spec.version) == ("mill", "1.2")
    assert spec.title == {"en": "Mill", "ko": "밀링 머신"}
    assert spec.schema.names == ("torque", "wear", "quality", "shift", "tool", "grade")
    torque = spec.schema["torque"]
    assert (torque.kind, torque.unit, torque.lower, torque.upper) == (
        Kind.CONTINUOUS,
        "Nm",
        0.0,
        100.0,
    )
    assert torque.may_be_missing
    assert spec.schema["quality"].category_names == ("L", "M", "H")
    assert spec.schema["quality"].categories[0].labels == {"en": "low"}
    assert spec.decision.task is Task.BINARY
    assert (spec.decision.positive, spec.decision.desired) == (1, 0)
    assert spec.decision.threshold == 0.42
    assert spec.decision.phrases["alarm"] == {"en": "the alarm"}
    assert (spec.output.name, spec.output.column) == ("probabilities", 1)
    assert [e.form for e in spec.encoding.features] == [
        Form.NUMBER,
        Form.NUMBER,
        Form.ONE_HOT,
        Form.STRING,
        Form.VALUES,
        Form.THERMOMETER,
    ]
    assert spec.alarm["time_to_respond"] == "30 min"


def test_the_digest_is_that_of_the_file():
    assert parse_spec(FULL.encode(), "s").sha256 == hashlib.sha256(FULL.encode()).hexdigest()


def test_a_resolution_is_read_as_the_exact_decimal():
    assert parse_spec(FULL.encode(), "s").schema["torque"].resolution == Decimal("0.1")


def test_a_policy_holds_plain_floats_and_no_decimals():
    policy = parse_spec(FULL.encode(), "s").policy
    assert policy["features"]["torque"]["range"] == [20.0, 70.0]
    assert type(policy["features"]["torque"]["range"][0]) is float
    assert type(policy["max_changes"]) is int


def test_a_spec_and_its_error_cross_a_process_pool():
    spec = parse_spec(FULL.encode(), "s")
    assert pickle.loads(pickle.dumps(spec)) == spec
    error = refused(edited("threshold = 0.42", "threshold = 1.42"))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.problems == error.problems


def test_a_binary_model_decides_at_a_half_for_the_second_class_by_default():
    text = FULL.replace("threshold = 0.42\n", "").replace('positive = "failure"\n', "")
    decision = parse_spec(text.encode(), "s").decision
    assert (decision.threshold, decision.positive) == (0.5, 1)


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    windows = b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode()
    assert parse_spec(windows, "s").name == "mill"


def test_bounds_may_be_without_limit_where_nothing_is_set():
    text = edited("bounds = [0, 300]\nresolution = 1", "bounds = [0, inf]")
    text = text.replace("[policy.features.wear]\nonly_to = [0]\n", "[policy.features.wear]\n")
    assert parse_spec(text.encode(), "s").schema["wear"].upper == float("inf")


# --- TOML -------------------------------------------------------------------------------------


def test_a_syntax_error_names_line_and_column():
    error = refused("format = 1\nname = = 2\n")
    assert "line 2, column 8" in str(error)


def test_a_syntax_error_at_the_end_names_the_last_line():
    assert "line 2, the end of the file" in str(refused("format = 1\nname ="))


def test_bytes_that_are_no_text_name_the_line():
    assert "not UTF-8 text (line 2)" in str(refused(b"format = 1\nname = '\xff'"))


def test_nesting_without_end_is_refused_not_a_crash():
    assert "nested deeper" in str(refused("x = " + "[" * 100_000))


# --- shape ------------------------------------------------------------------------------------

SHAPE = [
    ('name = "mill"', 'name = "../mill"', "name", "'../mill', not a name that is safe in a path"),
    ('name = "mill"', 'name = "mill\\n"', "name", "not safe in a path"),
    ('name = "mill"', 'name = ""', "name", "not a name that is safe"),
    ('version = "1.2"', "version = 1", "version", "is 1 (int), not text"),
    ("format = 1", "format = 2", "format", "is 2 (int), not 1"),
    ('task = "binary"', 'task = "bianry"', "task", "'bianry' (str), not one of 'binary'"),
    ("max_changes = 3", "max_change = 3", "policy", "unknown key 'max_change'; did you mean"),
    ("max_changes = 3", "max_changes = 0", "policy.max_changes", "is 0, below 1"),
    ("bounds = [0.0, 100.0]", "bounds = [0.0]", "features[0].bounds", "has length 1"),
    ("bounds = [0.0, 100.0]", "bounds = [0, nan]", "features[0].bounds[1]", "NaN"),
    ("bounds = [0.0, 100.0]", 'bounds = [0, "x"]', "features[0].bounds[1]", "not a number"),
    ("resolution = 0.1", "resolution = 0", "features[0].resolution", "is 0, not above 0"),
    ("resolution = 0.1", "resolution = -0.1", "features[0].resolution", "is -0.1, not above 0"),
    ("resolution = 0.1", "resolution = 1e-999", "features[0].resolution", "float range"),
    ("max_change = 15.0", "max_change = inf", "policy.features.torque.max_change", "Infinity"),
    ("max_change = 15.0", "max_change = 1e999", "policy.features.torque.max_change", "1E+999"),
    (
        "max_change = 15.0",
        "max_change = " + "9" * 400,
        "policy.features.torque.max_change",
        "large",
    ),
    ("missing = true", "missing = 1", "features[0].missing", "is 1 (int), not true or false"),
    ('unit = "Nm"', "unit = 2020-01-01", "features[0].unit", "not text"),
    ("weight = 1.5", "weight = -1", "policy.features.torque.weight", "is -1, below 0"),
    ("fixed_cost = 0.5", "fixed_cost = -1", "policy.features.torque.fixed_cost", "below 0"),
    ('title = {en = "Mill"', 'title = {EN = "Mill"', "title", "not a language tag"),
    ('title = {en = "Mill"', 'title = {en = ""', "title.en", "has length 0"),
    ('method = "knn"', 'method = "lof"', "policy.plausibility.method", "not one of"),
]


@pytest.mark.parametrize(("old", "new", "key", "problem"), SHAPE)
def test_a_key_of_the_wrong_shape_is_named_with_value_and_limit(old, new, key, problem):
    error = refused(edited(old, new))
    assert error.key == key
    assert problem in error.problem


def test_a_missing_key_is_named():
    assert "is missing 'name'" in str(refused(edited('name = "mill"\n', "")))


# --- contradictions ---------------------------------------------------------------------------

CONTRADICTIONS = [
    ('name = "wear"', 'name = "torque"', "features[1].name", "already features[0]"),
    ("bounds = [0.0, 100.0]", "bounds = [100.0, 0.0]", "features[0].bounds", "[100.0, 0.0]"),
    ("bounds = [0.0, 100.0]", "bounds = [1.0, 1.0]", "features[0].bounds", "below the second"),
    (
        "resolution = 0.1",
        "resolution = 0.1234567890123456",
        "features[0].resolution",
        "16 digits; the most is 15",
    ),
    ("resolution = 0.1", "resolution = 1e-14", "features[0].resolution", "too fine"),
    ("resolution = 0.1", "resolution = 1000.0", None, None),
    (
        "bounds = [0, 300]\nresolution = 1",
        "bounds = [0, 300]\nresolution = 0.5",
        "features[1].resolution",
        "not a whole number",
    ),
    (
        "bounds = [0, 300]\nresolution = 1",
        "bounds = [1, 300]\nresolution = 500",
        "features[1].resolution",
        "no multiple of 500",
    ),
    ('unit = "Nm"', 'unit = "Nm"\ncategories = ["a", "b"]', "features[0].categories", "continuous"),
    ('encoding = "one-hot"', "bounds = [0, 1]", "features[2].bounds", "ordinal"),
    ('"M", "H"]', '"M", "M"]', "features[2].categories[2]", "'M' twice"),
    (
        'kind = "ordinal"\ncategories = ["I"',
        'kind = "nominal"\ncategories = ["I"',
        "features[5].encoding",
        "needs an order",
    ),
    ("values = [1, 2.5]", "", "features[4].encoding", "needs 'values'"),
    ("values = [1, 2.5]", "values = [1, 2, 3]", "features[4].values", "3 values for 2 categories"),
    ("values = [1, 2.5]", "values = [1, 1]", "features[4].values[1]", "twice"),
    ("values = [1, 2.5]", 'values = ["a", "b"]', "features[4].values[0]", "takes numbers"),
    ('values = ["d", "n"]', "values = [0, 1]", "features[3].values[0]", "takes texts"),
    (
        'names = ["q_l", "q_m", "q_h"]',
        'names = ["q_l", "q_m"]',
        "features[2].input.names",
        "takes 3 columns, 2 inputs",
    ),
    (
        'names = ["q_l", "q_m", "q_h"]',
        'names = ["q_l", "q_m", "q_h"], column = 1',
        "features[2].input",
        "give one",
    ),
    (
        'input = {name = "numbers", column = 1}',
        'input = {names = ["numbers"]}',
        "features[1].input.names",
        "takes one column",
    ),
    ('positive = "failure"', 'positive = "fail"', "decision.positive", "'fail', not a class"),
    ('desired = "normal"', 'desired = "ok"', "decision.desired", "('normal', 'failure')"),
    ("threshold = 0.42", "threshold = 1.42", "decision.threshold", "1.42, outside [0, 1]"),
    ("threshold = 0.42", 'unit = "kg"', "decision.unit", "binary"),
    (', "failure"]', ', "failure", "other"]', "decision.classes", "has 3 classes"),
    (', "failure"]', ', "normal"]', "decision.classes[1]", "twice"),
    (
        "range = [20.0, 70.0]",
        "range = [20.0, 170.0]",
        "policy.features.torque.range",
        "has 170.0 Nm, outside the feature's bounds [0.0, 100.0] Nm",
    ),
    ("range = [20.0, 70.0]", "range = [70.0, 20.0]", "policy.features.torque.range", "above"),
    (
        "range = [20.0, 70.0]",
        "range = [20.01, 20.09]",
        "policy.features.torque.range",
        "no multiple of the resolution 0.1",
    ),
    ("only_to = [0]", "only_to = [0.5]", "policy.features.wear.only_to[0]", "not a multiple"),
    ("only_to = [0]", "only_to = [301]", "policy.features.wear.only_to[0]", "outside"),
    ("only_to = [0]", 'only_to = ["0"]', "policy.features.wear.only_to[0]", "not a number"),
    (
        'only_to = ["L", "M"]',
        'only_to = ["l"]',
        "policy.features.quality.only_to[0]",
        "'l', not one of 'L', 'M', 'H'",
    ),
    (
        "[0, 1, 2], [1, 0, 1], [2, 1, 0]",
        "[0, 1, 2], [1, 0, 1]",
        "policy.features.quality.cost_matrix",
        "2 rows for 3 categories",
    ),
    (
        "[0, 1, 2], [1, 0, 1], [2, 1, 0]",
        "[0, 1, 2], [1, 0], [2, 1, 0]",
        "policy.features.quality.cost_matrix[1]",
        "2 columns for 3",
    ),
    (
        "[0, 1, 2], [1, 0, 1], [2, 1, 0]",
        "[0, 1, 2], [1, 3, 1], [2, 1, 0]",
        "policy.features.quality.cost_matrix[1][1]",
        "is 3, not 0",
    ),
    (
        "only_to = [0]",
        "only_to = [0]\nfillable = true",
        "policy.features.wear.fillable",
        "never missing",
    ),
    (
        "only_to = [0]",
        "only_to = [0]\ncost_matrix = [[0, 1], [1, 0]]",
        "policy.features.wear.cost_matrix",
        "integer",
    ),
    ("[policy.features.wear]", "[policy.features.waer]", "policy.features.waer", "not a feature"),
    (
        "actionable = false",
        'actionable = false\ndirection = "up"',
        "policy.features.shift.direction",
        "nothing can be set: actionable = false",
    ),
    (
        "[policy.features.tool]",
        '[policy.features.tool]\ndirection = "up"',
        "policy.features.tool.direction",
        "nominal",
    ),
    (
        "[policy.features.tool]",
        "[policy.features.tool]\nmax_change = 1",
        "policy.features.tool.max_change",
        "nominal",
    ),
    ("max_distance = 1.2", "", "policy.plausibility", "needs 'max_distance'"),
    (
        "max_distance = 1.2",
        "max_distance = 1.2\nmin_score = 0",
        "policy.plausibility.min_score",
        "no meaning",
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "problem"), CONTRADICTIONS)
def test_a_contradiction_is_named_with_value_and_limit(old, new, key, problem):
    if key is None:
        parse_spec(edited(old, new).replace("range = [20.0, 70.0]\n", "").encode(), "s")
        return
    MILL.check(old, new, key, problem)


def test_a_number_without_a_resolution_cannot_be_called_actionable():
    text = FULL.replace("resolution = 1\n", "").replace("only_to = [0]", "actionable = true")
    assert "no resolution" in str(refused(text))


def test_what_can_be_set_must_have_an_end():
    text = edited("bounds = [0, 300]", "bounds = [0, inf]").replace("only_to = [0]", "weight = 2")
    error = refused(text)
    assert error.key == "policy.features.wear"
    assert "without limit" in error.problem


def test_what_can_be_set_must_have_an_end_even_if_the_policy_does_not_name_it():
    text = edited("bounds = [0, 300]", "bounds = [0, inf]")
    text = text.replace("[policy.features.wear]\nonly_to = [0]\n", "")
    assert refused(text).key == "policy.features.wear"


def test_every_problem_is_reported_at_once():
    text = edited("threshold = 0.42", "threshold = 2").replace("only_to = [0]", "only_to = [0.5]")
    error = refused(text)
    assert [p.key for p in error.problems] == [
        "decision.threshold",
        "policy.features.wear.only_to[0]",
    ]
    assert str(error).count("\n") == 1


# --- tasks ------------------------------------------------------------------------------------

HEAD = 'format = 1\nname = "m"\nversion = "1"\n'
FEATURE = '[[features]]\nname = "a"\nkind = "continuous"\n'


def test_a_regression_without_a_limit_decides_nothing():
    spec = parse_spec((HEAD + 'task = "regression"\n' + FEATURE).encode(), "s")
    assert (spec.decision.threshold, spec.decision.classes) == (None, ())


def test_a_regression_with_a_limit_needs_two_classes():
    text = HEAD + 'task = "regression"\n[decision]\nthreshold = 5\n' + FEATURE
    assert refused(text).key == "decision.classes"


def test_classes_of_a_regression_need_a_limit():
    text = HEAD + 'task = "regression"\n[decision]\nclasses = ["a", "b"]\n' + FEATURE
    assert refused(text).key == "decision.threshold"


@pytest.mark.parametrize("key", ["threshold = 0.5", 'positive = "b"'])
def test_a_multiclass_model_has_no_limit(key):
    text = HEAD + f'task = "multiclass"\n[decision]\nclasses = ["a", "b"]\n{key}\n' + FEATURE
    assert "the largest score decides" in str(refused(text))


def test_a_multiclass_model_has_no_score_column():
    text = HEAD + 'task = "multiclass"\noutput = {column = 1}\n'
    text += '[decision]\nclasses = ["a", "b"]\n' + FEATURE
    assert refused(text).key == "output.column"


def test_a_classifier_needs_classes():
    assert refused(HEAD + 'task = "binary"\n' + FEATURE).key == "decision.classes"
