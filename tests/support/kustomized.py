"""What a folder of ``deploy/`` comes to, as kustomize builds it: as much of it as is used there."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


def built(folder: Path) -> dict[tuple[str, str], Object]:
    """Its objects, by kind and name."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert said.keys() <= {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
    found: dict[tuple[str, str], Object] = {}
    for resource in said["resources"]:
        path = folder / resource
        found |= built(path) if path.is_dir() else by_name(path.read_text())
    for one in found.values():
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = said["namespace"]
    tags = {image["name"]: image["newTag"] for image in said.get("images", [])}
    for container in _containers([*found.values()]):
        if (tag := tags.get(container["image"])) is not None:
            container["image"] += f":{tag}"
    for patch in said.get("patches", []):
        target = found[patch["target"]["kind"], patch["target"]["name"]]
        for change in yaml.safe_load(patch["patch"]):
            _add(target, **change)
    return found


def by_name(text: str) -> dict[tuple[str, str], Object]:
    """The objects of a file."""
    objects = [one for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def _containers(tree: Any) -> list[Object]:
    if isinstance(tree, list):
        return [found for child in tree for found in _containers(child)]
    if not isinstance(tree, dict):
        return []
    here = [tree] if isinstance(tree.get("image"), str) else []
    return here + [found for child in tree.values() for found in _containers(child)]


def _add(tree: Any, op: str, path: str, value: Any) -> None:
    """RFC 6902, ``add``."""
    assert op == "add"
    *way, last = path.strip("/").split("/")
    for step in way:
        tree = tree[int(step) if isinstance(tree, list) else step]
    if isinstance(tree, list):
        assert last == "-"
        tree.append(deepcopy(value))
    else:
        tree[last] = deepcopy(value)
