"""One explanation over HTTP goes one way: no module is called back before it is translated."""

from __future__ import annotations

import pytest

from bench.walk import walked


@pytest.mark.slow
def test_nothing_on_the_way_of_a_question_is_called_back_but_what_goes_in_steps() -> None:
    trace = walked()
    assert "ifonly.service.doors.http.request_path" in trace.files
    # The limit goes on counting while the body is read. `explain` goes in steps, as rows of a table
    # do that share the checker's calls: it is gone on with once the model has said its word.
    assert trace.called_back == ["ifonly.service.ask.explain", "ifonly.service.doors.http.limits"]
