from __future__ import annotations

import pickle

from ifonly.models.errors import FieldProblem, InvalidInstance, SpecError, SpecProblem


def test_an_invalid_instance_crosses_a_process_pool_with_its_problems():
    error = InvalidInstance([FieldProblem("torque", "torque is 310 Nm", 310, "Nm", (0, 100))])
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems
    assert str(again) == "torque is 310 Nm"


def test_a_spec_error_names_file_and_key_of_every_problem():
    problems = [SpecProblem("a.b", "is 1"), SpecProblem("", "is empty")]
    error = SpecError.of("m/1/spec.toml", problems)
    assert (error.key, error.problem, error.problems) == ("a.b", "is 1", tuple(problems))
    assert str(error) == "m/1/spec.toml: a.b: is 1\nm/1/spec.toml: is empty"


def test_a_spec_error_of_one_problem_is_built_as_ever():
    assert str(SpecError("spec.toml", "name", "is missing")) == "spec.toml: name: is missing"
