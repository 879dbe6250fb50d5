"""What is left when an action is carried out: the checker's draws against the causal layer's."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace

import numpy as np

from ifonly.explainers.causal import build_alternatives, build_model, parse_causal
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.marginal import Marginal
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.causal.storage import root_to_json
from ifonly.explainers.verify.read_laws import read_laws
from ifonly.explainers.verify.redrawn import Spread
from ifonly.models.errors import SpecError
from ifonly.models.predictor import Row, Rows
from ifonly.service.served.causal_graphs import graph_loader
from ifonly.service.served.checking import graph_opener
from tests.oracle.verify.test_laws import action_on, factual_of
from tests.support.causal_files import KINDS, SCHEMA, Documents, draw_documents, with_others

FLOOR = {"causal": {"gamma": 0.0, "floor": 0.0}}
"""Nothing is demanded, so that both sides tell of every action."""


KNOWN = tuple(kind for kind in KINDS if kind not in ("none", "onnx"))
HIDDEN = ("{between = ['a', 'c'], strength = 0.3}",)


def with_stability(documents: Documents, draw: np.random.Generator) -> Documents | None:
    """Of all columns of which it may be declared; None if of none. Roots have values then."""
    text, files = documents.text, dict(documents.files)
    for name in SCHEMA.names:
        told = f"[mechanisms.{name}]\nkind = 'root'\nsd = 1.5".encode()
        if told in text and name != "grade":
            data = root_to_json(name, Noise(1.5, draw.normal(0.0, 1.5, 40)))
            file, digest = f"mechanisms/{name}-root.json", hashlib.sha256(data).hexdigest()
            own = f"[mechanisms.{name}]\nkind = 'root'\nfile = '{file}'\nsha256 = '{digest}'"
            text, files[file] = text.replace(told, own.encode()), data
    for name in SCHEMA.names:
        rho = round(float(draw.uniform(-0.3, 1.0)), 2)
        own = f"\n[stability.nodes.{name}]\nrho = {rho}\n"
        if draw.random() < 0.6:
            ends = max(-1.0, rho - 0.2), min(1.0, rho + 0.1)
            own += f"interval = [{ends[0]}, {ends[1]}]\n"
        own += f"redrawn = {draw.choice([0.0, 0.3])}\n"
        try:
            parse_causal(text + own.encode(), "causal.toml", SCHEMA)
        except SpecError:
            continue
        text += own.encode()
    return replace(documents, text=text, files=files) if b"stability" in text else None


def test_both_draw_the_very_same_and_are_as_sure_of_actions() -> None:
    seen: Counter[str] = Counter()
    for seed in (0, 1, 3, 5, 9):
        draw = np.random.default_rng([seed, 3])
        documents = draw_documents(seed, KNOWN, HIDDEN)
        documents = with_others(documents, seed, KNOWN) if seed % 3 == 0 else documents
        given = with_stability(documents, draw)
        if given is None:
            continue
        spec = parse_causal(given.text, "causal.toml", SCHEMA)
        model = build_model(spec, given.files, load_graph=graph_loader(SCHEMA))
        others = build_alternatives(spec, given.files, "c", graph_loader(SCHEMA), model)
        causal = consequences_of(spec, model, FLOOR, others)
        laws = read_laws(given.text, given.files, SCHEMA, FLOOR, graph_opener(SCHEMA))
        assert laws is not None
        assert (causal.redrawing is None) == (laws.lasting is None)
        if causal.redrawing is None:
            continue
        for _ in range(3):
            factual, weights = factual_of(draw), draw.normal(size=len(SCHEMA))
            settings = action_on(draw, factual)
            columns = sorted(settings)
            # Where the likeliest row does, and not by much, more is asked of what is drawn anew.
            led = np.nan_to_num(laws.row(factual.tolist(), settings), posinf=0.0)
            least = float(led @ weights - draw.uniform(0.5, 2.0))

            def margin(rows: Rows, weights: Row = weights, least: float = least) -> Row:
                return np.asarray(np.nan_to_num(rows) @ weights - least)

            values = np.array([[settings[j] for j in columns]])
            found = causal.trust(factual, columns, values, margin)
            if not found.holds[0]:
                continue
            worlds = laws.worlds(factual.tolist(), settings)
            each = []
            for world in worlds:
                shares = []
                for group in world.later:
                    rows = np.array(group)
                    told = ~(np.isnan(rows) & ~np.isnan(factual)).any(axis=1)
                    told &= ~np.isinf(rows).any(axis=1)
                    shares.append(float((told & (margin(rows) >= 0.0)).mean()))
                each.append(min(shares))
            mixed = sum(w.weight * share for w, share in zip(worlds, each, strict=True))
            assert found.later is not None
            # Sums in another order: one draw may be on either side of the limit.
            assert abs(mixed - float(found.later[0])) <= 1.5 / 512, (seed, settings)
            seen["between"] += 0.05 < mixed < 0.95
            seen["several graphs"] += len(worlds) > 1
            seen["unread"] += bool(np.isnan(factual).any())
            seen["nothing follows"] += not causal.effects(columns)
    assert min(seen[k] for k in ("between", "several graphs", "unread", "nothing follows")) >= 1


def test_both_read_a_distribution_alike() -> None:
    draw = np.random.default_rng(0)
    for sample in (None, draw.normal(size=50), np.repeat(draw.normal(size=4), 5), np.zeros(3)):
        for sd in (0.7, 1e-9, 1e9):
            ours = Marginal.of(Noise(sd, sample))
            theirs = Spread.read(sd, None if sample is None else sample.tolist())
            assert ours is not None
            assert theirs is not None
            for u in (*draw.normal(size=10), -40.0, 40.0, 0.0):
                at = np.array([u])
                z = float(ours.score(at)[0])
                assert math.isclose(theirs.score(u), z, rel_tol=1e-12, abs_tol=1e-12)
                back = float(ours.noise(np.array([z]))[0])
                assert math.isclose(back, u, rel_tol=1e-6, abs_tol=1e-6 * max(1.0, sd))
                assert math.isclose(theirs.value(z), back, rel_tol=1e-9, abs_tol=1e-9)
    assert Marginal.of(Noise(0.0)) is None is Spread.read(0.0, None)
    assert Marginal.of(Noise(math.nan)) is None is Spread.read(math.nan, None)
