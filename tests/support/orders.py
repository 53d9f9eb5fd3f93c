"""A project with one of our own sources and targets, on the local engine, and the rows that arrive."""

import json
from pathlib import Path

__all__ = ["orders_of", "rows"]

CONNECTORS = Path(__file__).parents[1] / "connectors"
KINDS = {"tap": "singer", "target": "singer", "source": "airbyte", "destination": "airbyte"}


def orders_of(folder, tapdock):
    """Return project(source, target, *steps, **keys): it returns a function that runs tapdock in such a project."""
    (folder / "data").mkdir()

    def made(source, target, *steps, target_config=None, states="STREAM", **keys):
        if source == "source":
            steps = [step.replace("state", "state orders") for step in steps if not step.startswith("schema")]
        config = {"token": "t", "streams": ["orders", "users"], "steps": list(steps)}
        config |= {"states": states} if source == "source" else {}
        given = {"image": str(CONNECTORS / f"{source}.py"), "kind": KINDS[source], "config": config}
        path = folder / ("data/rows" if target == "target" else "data")
        config = {"path": str(path), "password": "p", **(target_config or {})}
        whole = {
            "version": 1,
            "sources": {"shop": {"stop_grace": "5s", **given, **keys}},
            "targets": {
                "lake": {"image": str(CONNECTORS / f"{target}.py"), "kind": KINDS[target], "config": config},
            },
            "pipelines": {"demo": {"source": "shop", "target": "lake"}},
        }
        (folder / "tapdock.yaml").write_text(json.dumps(whole))
        return lambda *words: tapdock(*words, TAPDOCK_ENGINE="local")

    return made


def rows(folder):
    """Return the ids of the rows in the target, by stream."""
    found = {"orders": [], "users": []}
    for file in sorted(folder.glob("data/*")):
        for line in file.read_text().splitlines() if file.stem in ("rows", "orders", "users") else ():
            row = json.loads(line)
            if isinstance(row, dict):
                found[row.get("stream", file.stem)].append((row.get("record") or row["data"])["id"])
    return found
