"""What had failed of a causal model when it was accepted, in words."""

from __future__ import annotations

from ifonly.explainers.causal.spec import ProvenanceCheck
from ifonly.explainers.wording import Language
from ifonly.models.schema import Labels, Schema
from ifonly.service.words.catalogue import in_each, is_said, say
from ifonly.service.words.labels import label


def in_words(check: ProvenanceCheck, schema: Schema) -> Labels:
    """One sentence: that something failed, and what that means for an answer that rests on it."""
    parts = check.between or ((check.node,) if check.node else ())
    kind = "edge" if check.between else "node" if check.node else "graph"
    own = f"doubt.{check.check.replace(' ', '_').replace('-', '_')}"

    def told(tag: Language) -> str:
        # Of a check that nobody has words for: by its name.
        key = own if parts and is_said(own, tag) else f"doubt.{kind}"
        named = zip("ab", parts, strict=False)
        labels = {gap: label(schema[name], tag) for gap, name in named}
        return say("doubt.rests", tag, what=say(key, tag, check=check.check, **labels))

    return in_each(told)
