"""The child of :func:`ifonly.service.served.drafting.drafted`: makes one folder, and ends.

``python -m ifonly.service.served.drafting_worker RUN_SECONDS SECONDS BYTES``; standard input is the
job as JSON, standard output what was found or what is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ifonly.models.adding import Question, added, read_columns, source_of
from ifonly.models.errors import DataError, ModelError
from ifonly.models.onnx.walls import more_processor, wall_in
from ifonly.service.served import uploads
from ifonly.service.served.drafting import ANSWERS, FILE, SAMPLE

MOST_WRITTEN = 1 << 30
"""Bytes of a file."""
MOST_TOLD = 60
OF_A_FIELD = "desired"
"""The question whose answer stands in the spec and nowhere else: a field asks it."""


class _GuessTaker:
    """Takes the guess of each question that nobody has answered, and remembers it."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self.asked: list[dict[str, Any]] = []

    def __call__(self, question: Question) -> str:
        answer = self._given.get(question.key, question.guess)
        if question.choices and answer not in question.choices:
            # Told as any other, with the question in its place.
            raise _WrongAnswer(question.key, f"is {answer!r}, not {' or '.join(question.choices)}")
        told = {
            "key": question.key,
            "text": question.text,
            "guess": question.guess,
            "choices": list(question.choices),
            "answer": answer,
            "is_guess": question.key not in self._given,
        }
        if question.key != OF_A_FIELD and told not in self.asked:
            self.asked.append(told)
        return answer


class _WrongAnswer(ModelError):
    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(problem)


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between
    _, seconds, memory = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    job = json.loads(sys.stdin.read())
    wall_in(memory, MOST_WRITTEN)
    more_processor(seconds)
    replies.write(json.dumps(_done(job, memory)))
    replies.flush()


def _done(job: dict[str, Any], memory: int) -> dict[str, Any]:
    asker = _GuessTaker(job["answers"])
    try:
        return _draft(job, asker)
    except MemoryError:
        return _fault(
            (FILE,), f"needs more than {memory >> 20:,} MiB of memory, which is the limit"
        )
    except _WrongAnswer as error:
        return _fault((ANSWERS, error.key), str(error))
    except DataError as error:
        line = "" if error.line is None else f"line {error.line}: "
        is_answer = error.file in {question["key"] for question in asker.asked}
        path = (ANSWERS, error.file) if is_answer else _place(error.file, job)
        return _fault(path, f"{line}{error.problem}")
    except ModelError as error:
        # What a library says of its own innards is nobody's news.
        problem = str(error).partition("\nStack trace")[0]
        of_sample = problem.removeprefix("data: ")
        return _fault((FILE,) if of_sample == problem else (SAMPLE,), of_sample)
    except Exception as error:  # whatever it is, it is of the file
        return _fault((FILE,), f"cannot be read: {type(error).__name__}: {error}")


def _place(of: str, job: dict[str, Any]) -> tuple[str, ...]:
    if of in ("label", "columns"):
        return (of,)
    return (SAMPLE,) if of in ("data", Path(job["sample"]).name) else (SAMPLE, of)


def _fault(path: tuple[str, ...], problem: str) -> dict[str, Any]:
    return {"faults": [[list(path), problem]]}


def _draft(job: dict[str, Any], asker: _GuessTaker) -> dict[str, Any]:
    file, label, read = Path(job["file"]), job["label"], job["columns"]
    table = read_columns(Path(job["sample"]))
    if label is not None and label not in table:
        raise DataError("label", f"{label!r} is no column of the sample: {', '.join(table)}")
    source = source_of(file)
    made = added(source, table, asker, label=label, read=read or source.read)
    name, version = job["name"], job["version"]
    files = made.files(name, version, job["origin"], job["held_out"])
    uploads.write(Path(job["out"], name, version), files)
    found = [*made.told, *made.draft.told]
    return {"questions": asker.asked, "told": found[:MOST_TOLD], "report": dict(made.draft.report)}


if __name__ == "__main__":
    main()
