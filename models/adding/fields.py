"""What a person may set of a spec without an editor, and the spec's text with what they set.

Only single lines are touched, so that comments and order stay. What came out is read and held
against what was meant: a spec that is written in another way is refused, never half changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ifonly.models.adding.spec_text import GUESSED
from ifonly.models.document import dotted
from ifonly.models.errors import SpecError, SpecProblem
from ifonly.models.repository.folder import SPEC
from ifonly.models.spec.checks import is_categorical, names_of

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_Path = tuple[str | int, ...]
_ELSEWHERE = "stands in a form that is not changed here: send the folder with another spec.toml"


@dataclass(frozen=True, slots=True)
class SpecField:
    """One value of a spec."""

    key: str
    """As errors of specs call it: ``features[3].bounds``."""
    path: _Path
    value: Any
    """As TOML has it; None: it is not there."""
    guess: str | None = None
    """Why it was guessed; None: nobody guessed, or somebody has checked it."""
    choices: tuple[str, ...] = ()
    """The only values; empty: any."""
    is_shown_only: bool = False
    """It can be checked, and changed only by another spec."""

    @property
    def feature(self) -> str | int | None:
        """Position or name of the feature that it is of."""
        match self.path:
            case ("features", place, *_):
                return place
            case ("policy", "features", name, *_):
                return name
            case _:
                return None


def fields_of(text: bytes, languages: Sequence[str]) -> tuple[SpecField, ...]:
    """Those of a spec that can be read; ``languages``: tags of labels.

    Raises
    ------
    SpecError
        If it is no TOML of a spec's shape.
    """
    lines = _Lines.of(text)
    try:
        offered = list(_offered(lines.document, languages))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise SpecError(SPEC, "", f"is no spec: {type(error).__name__}") from error
    found = dict(offered)
    shown = [path for path in lines.guesses if path not in {_line_of(p) for p in found}]
    return (
        *(
            SpecField(
                dotted(path),
                path,
                _value(lines.document, path),
                lines.guesses.get(path) or _of_label(lines, path, languages),
                choices,
            )
            for path, choices in found.items()
        ),
        *(
            SpecField(
                dotted(path), path, _get(lines.document, path), lines.guesses[path],
                is_shown_only=True,
            )
            for path in shown
        ),
    )  # fmt: skip


def guesses_left(text: bytes) -> int:
    """How many marks of guesses a spec has."""
    return len(_Lines.of(text).guesses)


def with_values(
    text: bytes,
    values: Mapping[str, Any],
    checked: Collection[str],
    languages: Sequence[str],
) -> bytes:
    """The spec with ``values`` by key (None takes one out); what was changed, or is in
    ``checked``, is no guess any more.

    Raises
    ------
    SpecError
        With every key that is none of a form, or whose line is not one that can be changed.
    """
    known = {f.key: f for f in fields_of(text, languages)}
    wrong = [
        SpecProblem(key[:100], "is no field of this form")
        for key in (*values, *checked)
        if key not in known or (key in values and known[key].is_shown_only)
    ]
    if wrong:
        raise SpecError.of(SPEC, wrong)
    lines = _Lines.of(text)
    for key, value in _settled(values, known).items():
        if not _same(value, known[key].value):
            lines, problem = _changed(lines, known[key].path, value)
            wrong += [] if problem is None else [SpecProblem(key, problem)]
    if wrong:
        raise SpecError.of(SPEC, wrong)
    for key in checked:
        lines = lines.without_mark(_line_of(known[key].path))
    return lines.joined()


def _settled(values: Mapping[str, Any], known: Mapping[str, SpecField]) -> dict[str, Any]:
    """What nobody can set has no range; one that was only guessed goes with the lever."""
    # Floats as they are written: 0.1 is 1 / 10 here, as in the file.
    found = {key: _decimals(value) for key, value in values.items()}
    for key, value in values.items():
        other = known.get(f"{key.removesuffix('.actionable')}.range")
        if value is not False or other is None or other.guess is None:
            continue
        if _same(values.get(other.key, other.value), other.value):
            found[other.key] = None
    return found


# --- what is offered ------------------------------------------------------------------------------


def _offered(
    document: Mapping[str, Any], tags: Sequence[str]
) -> Iterator[tuple[_Path, tuple[str, ...]]]:
    """Paths of fields, each with the only values that it may have, or none."""
    yield from ((("title", tag), ()) for tag in tags)
    table = document.get("decision", {})
    classes = tuple(names_of(table.get("classes", ())))
    if classes:
        if "positive" in table:
            yield ("decision", "positive"), classes
        if "threshold" in table:
            yield ("decision", "threshold"), ()
        yield ("decision", "desired"), classes
        for k in range(len(classes)):
            yield from ((("decision", "classes", k, "label", tag), ()) for tag in tags)
    for i, feature in enumerate(document["features"]):
        yield from ((("features", i, "label", tag), ()) for tag in tags)
        if not is_categorical(feature):
            yield from ((("features", i, key), ()) for key in ("unit", "bounds", "resolution"))
        name = feature["name"]
        yield ("policy", "features", name, "actionable"), ()
        if not is_categorical(feature):
            yield ("policy", "features", name, "range"), ()


def _of_label(lines: _Lines, path: _Path, tags: Sequence[str]) -> str | None:
    """A guessed label is one in the language that it is in."""
    line = _line_of(path)
    if line == path or _get(lines.document, path) is None:
        return None
    return lines.guesses.get(line)


def _line_of(path: _Path) -> _Path:
    """The path of what stands in one line of its own."""
    most = {"title": 1, "decision": 2, "features": 3, "policy": 4}[str(path[0])]
    return path[:most]


def _value(document: Any, path: _Path) -> Any:
    """What is there, or what counts where nothing is."""
    found = _get(document, path)
    return True if found is None and path[-1] == "actionable" else found


def _get(document: Any, path: _Path) -> Any:
    value = document
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """A spec, line by line."""

    lines: tuple[str, ...]
    document: Mapping[str, Any]
    places: Mapping[_Path, int] = field(default_factory=dict)
    """Lines of values, by path."""
    headers: Mapping[_Path, int] = field(default_factory=dict)
    """Lines of tables; of the root -1."""
    guesses: Mapping[_Path, str] = field(default_factory=dict)
    marks: Mapping[_Path, int] = field(default_factory=dict)
    """Lines of their own with a mark, by the value that it is of."""

    @classmethod
    def of(cls, text: bytes) -> _Lines:
        try:
            source = text.decode("utf-8-sig")
            document = tomllib.loads(source, parse_float=Decimal)
        except ValueError as error:
            raise SpecError(SPEC, "", f"is not TOML: {error}") from error
        lines = tuple(source.splitlines())
        places: dict[_Path, int] = {}
        headers: dict[_Path, int] = {(): -1}
        guesses: dict[_Path, str] = {}
        marks: dict[_Path, int] = {}
        table: _Path = ()
        last: _Path | None = None
        features = -1
        for i, line in enumerate(lines):
            bare = line.strip()
            if bare == "[[features]]":
                features += 1
                table, last = ("features", features), None
                headers[table] = i
            elif bare.startswith("["):
                table, last = _header(bare), None
                headers[table] = i
            elif bare.startswith(GUESSED) and last is not None:
                guesses[last], marks[last] = _why(bare), i
            elif bare and not bare.startswith("#") and (key := _key(bare)) is not None:
                last = (*table, key)
                places[last] = i
                comment = _comment(line)
                if comment.startswith(GUESSED):
                    guesses[last] = _why(comment)
        return cls(lines, document, places, headers, guesses, marks)

    def joined(self) -> bytes:
        return ("\n".join(self.lines) + "\n").encode()

    def without_mark(self, path: _Path) -> _Lines:
        if path not in self.guesses:
            return self
        lines = list(self.lines)
        if path in self.marks:
            del lines[self.marks[path]]
        else:
            place = self.places[path]
            lines[place] = lines[place].removesuffix(_comment(lines[place])).rstrip()
        return _Lines.of("\n".join(lines).encode())


def _decimals(value: Any) -> Any:
    if isinstance(value, list):
        return [_decimals(item) for item in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def _header(line: str) -> _Path:
    try:
        found: Any = tomllib.loads(line)
    except ValueError:
        return ("", line)
    path: list[str] = []
    while isinstance(found, dict) and len(found) == 1:
        ((key, found),) = found.items()
        path.append(key)
    return tuple(path)


def _key(line: str) -> str | None:
    try:
        found = tomllib.loads(line)
    except ValueError:
        return None
    return next(iter(found)) if len(found) == 1 else None


def _comment(line: str) -> str:
    """What stands behind the value, from the mark of a comment on."""
    whole = tomllib.loads(line)
    for found in re.finditer("#", line):
        try:
            if tomllib.loads(line[: found.start()]) == whole:
                return line[found.start() :]
        except ValueError:  # within a text
            continue
    return ""


def _why(comment: str) -> str:
    return comment.removeprefix(GUESSED).removeprefix(":").strip()


# --- changes --------------------------------------------------------------------------------------


def _changed(lines: _Lines, path: _Path, value: Any) -> tuple[_Lines, str | None]:
    """The lines with the value in its place; or why not."""
    meant = _with(lines.document, path, value)
    where = _line_of(path)
    new = _get(meant, where)
    text = list(lines.lines)
    place = lines.places.get(where)
    written = [] if new is None or new == {} else [f"{_name(where[-1])} = {_toml(new)}"]
    if place is not None:
        del text[place]
        # A mark of its own is of the value that was.
        if where in lines.marks:
            del text[lines.marks[where] - 1]
        text[place:place] = written
    elif written:
        table = where[:-1]
        if table not in lines.headers:
            text += ["", f"[{'.'.join(_name(part) for part in table)}]"]
            text += written
        else:
            at = lines.headers[table] + 1
            text[at:at] = written
    try:
        done = _Lines.of("\n".join(text).encode())
    except SpecError:
        return lines, _ELSEWHERE
    return (done, None) if _same(done.document, meant) else (lines, _ELSEWHERE)


def _same(one: Any, other: Any) -> bool:
    """Whether two documents say the same; an empty table says nothing."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = {*one, *other}
        return all(_same(one.get(key, {}), other.get(key, {})) for key in keys)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _with(document: Any, path: _Path, value: Any) -> Any:
    """``document`` with ``value`` at ``path``; None takes out what is there."""
    if not path:
        return value
    part, *rest = path
    if isinstance(document, list):
        assert isinstance(part, int)
        inner = _with(document[part], tuple(rest), value)
        return [*document[:part], inner, *document[part + 1 :]]
    # A class that was a name alone, and gets labels.
    table = {"name": document} if isinstance(document, str) else dict(document or {})
    inner = _with(table.get(part), tuple(rest), value)
    if inner is None or (inner == {} and part not in table):
        table.pop(part, None)
    else:
        table[part] = inner
    return table


def _name(part: str | int) -> str:
    return str(part) if _BARE.fullmatch(str(part)) else _toml(str(part))


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's strings are TOML's, but for DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        case Decimal():
            return str(value).lower().replace("infinity", "inf")
        case int():
            return str(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            parts = (f"{_name(key)} = {_toml(item)}" for key, item in value.items())
            return f"{{{', '.join(parts)}}}"
