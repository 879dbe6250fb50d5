"""What two versions of a model say otherwise: keys with their names, rules in words, lines."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from ifonly.explainers.languages import LANGUAGES, Language
from ifonly.models.repository.naming import natural
from ifonly.models.schema import Labels, Schema
from ifonly.service.ask.document_differences import KeyDifference, key_differences, paired_lines
from ifonly.service.ask.write_parts import PartWriter
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import differences as wire
from ifonly.service.wire.replies import Constraint
from ifonly.service.wire.staged import DigestDifference
from ifonly.service.words.catalogue import in_each, is_said, say
from ifonly.service.words.labels import label

_PARTS: Mapping[str, wire.Part] = {
    "task": "decision",
    "decision": "decision",
    "features": "features",
    "policy": "policy",
    "alarm": "alarm",
    "attributes": "alarm",
}
_RULES = ("policy", "rules")
"""Told in words."""


def version_before(versions: Sequence[str], version: str) -> str:
    """Of ``versions``, the one before ``version``; itself where there is none."""
    earlier = [v for v in versions if natural(v) < natural(version)]
    return max(earlier, key=natural, default=version)


def told(before: ServedModel, after: ServedModel) -> wire.DifferencesReply:
    """``after`` held against ``before``."""
    return wire.DifferencesReply(
        name=after.name,
        before=before.version,
        version=after.version,
        digests=list(digests(before, after)),
        values=[*_values(before, after)],
        rules=[*_rules(before, after)],
        files=[*_files(before, after)],
    )


def digests(before: ServedModel, after: ServedModel) -> Iterator[DigestDifference]:
    """Of the files that decide, whether they are the same or not."""
    was, now = (_digests(model) for model in (before, after))
    for file in dict.fromkeys([*was, *now]):
        yield DigestDifference(file=file, was=was.get(file), now=now.get(file))


def _digests(model: ServedModel) -> dict[str, str]:
    deployed = model.deployed
    validation = "" if deployed.validation is None else deployed.validation.sha256
    found = {
        "model.onnx": deployed.model_sha256,
        "spec.toml": deployed.spec_sha256,
        "causal.toml": deployed.causal_sha256,
        "validation.csv": validation,
    }
    return {file: digest for file, digest in found.items() if digest}


def _documents(model: ServedModel) -> dict[str, bytes]:
    return {"spec.toml": model.spec_text, "causal.toml": model.deployed.causal or b""}


def _values(before: ServedModel, after: ServedModel) -> Iterator[wire.ValueDifference]:
    was, now = _documents(before), _documents(after)
    for file in was:
        for each in key_differences(was[file], now[file]):
            part = "causal" if file == "causal.toml" else _PARTS.get(each.path[0], "other")
            # What says which version it is, is otherwise in any two; rules are told in words.
            if (file, each.path) == ("spec.toml", ("version",)) or each.path[:2] == _RULES:
                continue
            yield wire.ValueDifference(
                part=part,
                key=each.key,
                label=dict(_label(each, after.schema, before.schema)),
                way=each.way,
                was=each.was,
                now=each.now,
            )


def _label(each: KeyDifference, *schemas: Schema) -> Labels:
    """``torque: valid readings``; the key itself where there are no words for its last part."""
    path, spoken = list(each.path), ""
    if path[-1] in LANGUAGES:
        spoken = path.pop()
    if path[-1] == "min" and len(path) > 1:  # the only end that such a key has
        path.pop()
    named = [p.strip("[]") for p in path if p.startswith("[") or any(p in s for s in schemas)]
    last = "" if path[-1].startswith("[") else path[-1]
    if not named and not is_said(f"diffkey.{last}", "en"):
        return in_each(lambda tag: each.key)

    def called(tag: Language) -> str:
        what = say(f"diffkey.{last}", tag) if is_said(f"diffkey.{last}", tag) else last
        what = f"{what} ({spoken})" if spoken else what
        return ": ".join([*(_called(name, schemas, tag) for name in named), *filter(None, [what])])

    return in_each(called)


def _called(name: str, schemas: Sequence[Schema], tag: Language) -> str:
    """Features by their labels, also within what an item of a list is known by."""
    for mark in (" → ", " ↔ "):
        if mark in name:
            return mark.join(_called(part, schemas, tag) for part in name.split(mark))
    found = next((s[name] for s in schemas if name in s), None)
    return name if found is None else label(found, tag)


def _rules(before: ServedModel, after: ServedModel) -> Iterator[wire.RuleDifference]:
    was, now = (_constraints(model) for model in (before, after))
    # A rule that only moved has another place, and says the same.
    said = [{_english(c) for c in each.values()} for each in (was, now)]
    gone = {key: c for key, c in was.items() if _english(c) not in said[1]}
    new = {key: c for key, c in now.items() if _english(c) not in said[0]}
    pairs = {key: key for key in gone if key in new and not key.startswith(_PLACED)}
    pairs |= _likest(_without(gone, pairs), _without(new, pairs.values()))
    changed = {other: key for key, other in pairs.items()}
    for key in gone:
        if key not in pairs:
            yield wire.RuleDifference(key=key, way="removed", was=gone[key].text, now=None)
    for key, rule in new.items():
        one = gone[changed[key]].text if key in changed else None
        way: wire.Way = "changed" if key in changed else "added"
        yield wire.RuleDifference(key=key, way=way, was=one, now=rule.text)


_PLACED = "policy.rules."
"""Keys that are places: another rule may stand there."""
_ALIKE = 0.6
"""From which share of common characters on a rule is taken for another one, changed."""


def _without(rules: Mapping[str, Constraint], keys: Container[str]) -> dict[str, Constraint]:
    return {key: rule for key, rule in rules.items() if key not in keys}


def _likest(gone: Mapping[str, Constraint], new: Mapping[str, Constraint]) -> dict[str, str]:
    """Which of ``gone`` became which of ``new``: the most alike first."""
    if len(gone) * len(new) > MOST_MATCHED:
        return {}
    ratios = [
        (SequenceMatcher(None, _english(one), _english(other)).ratio(), key, name)
        for key, one in gone.items()
        for name, other in new.items()
    ]
    pairs: dict[str, str] = {}
    for ratio, key, name in sorted(ratios, key=lambda each: -each[0]):
        if ratio >= _ALIKE and key not in pairs and name not in pairs.values():
            pairs[key] = name
    return pairs


MOST_MATCHED = 1_000
"""Pairs of rules that are held against each other."""


def _constraints(model: ServedModel) -> dict[str, Constraint]:
    writer = PartWriter(model)
    return {c.key: c for c in map(writer.constraint, model.policy.constraints)}


def _english(constraint: Constraint) -> str:
    return constraint.text["en"]


def _files(before: ServedModel, after: ServedModel) -> Iterator[wire.FileLines]:
    was, now = _documents(before), _documents(after)
    for file in was:
        if was[file] == now[file]:
            continue
        pairs = paired_lines(was[file], now[file])
        lines = None
        if pairs is not None:
            lines = [
                wire.Line(
                    way=pair.way,
                    was_number=pair.was[0] if pair.was else None,
                    was=pair.was[1] if pair.was else None,
                    now_number=pair.now[0] if pair.now else None,
                    now=pair.now[1] if pair.now else None,
                )
                for pair in pairs
            ]
        yield wire.FileLines(file=file, lines=lines)
