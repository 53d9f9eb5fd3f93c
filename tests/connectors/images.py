"""Images of the programs in this folder, made once and kept by content."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import docker.errors

from support.turns import one_builder
from tapdock.connectors.images import making

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
KINDS = {"source": "airbyte", "destination": "airbyte", "tap": "singer", "target": "singer"}


@cache
def base_image() -> str:
    """What `scripts/base-image` says."""
    script = CHECKOUT / "scripts" / "base-image"
    with one_builder():
        return subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def image(api: Any, program: str, *, runs_as: str = "0", anybody: bool = False, last: str = "") -> str:
    """The image of one of these programs; `last` are more lines for its Dockerfile. Its name."""
    args = {
        "BASE_IMAGE": base_image(),
        "PROGRAM": program,
        "KIND": KINDS[program],
        "RUNS_AS": runs_as,
        "ANYBODY": "any" if anybody else "no",
    }
    files = {name: (HERE / name).read_bytes() for name in ("Dockerfile", *(f"{program}.py" for program in KINDS))}
    files["Dockerfile"] += last.encode()
    return made(api, f"tapdock-test/{program}", files, args)


def made(api: Any, name: str, files: dict[str, bytes], args: dict[str, str], *, installs: bool = False) -> str:
    """An image of a context of executable files, unless one of the same content is here.

    One that `installs` gets the addresses of package indexes from the environment, where there are any.
    """
    content = hashlib.sha256(repr((sorted(files.items()), sorted(args.items()))).encode())
    base = args.get("BASE_IMAGE")
    if base:
        content.update(api.inspect_image(base)["Id"].encode())
    tag = f"{name}:{content.hexdigest()[:16]}"
    with one_builder():
        try:
            api.inspect_image(tag)
        except docker.errors.ImageNotFound:
            indexes = making(os.environ).indexes if installs else {}
            _build(api, tag, files, {**args, **indexes})
            if indexes:  # which may carry credentials, and a build stage's layers remember them
                api.prune_images(filters={"label": "io.tapdock.stage=build"})
    return tag


def _build(api: Any, tag: str, files: dict[str, bytes], args: dict[str, str]) -> None:
    context = io.BytesIO(_tar(files))
    steps = api.build(fileobj=context, custom_context=True, tag=tag, buildargs=args, rm=True, forcerm=True, decode=True)
    for step in steps:
        if "error" in step:
            raise RuntimeError(f"{tag}: {step['error']}")


def foreign(api: Any) -> str:
    """The image of an Airbyte source that says that it is for another kind of processor, as one pulled by force."""
    layer = _tar({"sh": b""})
    config = {
        "architecture": "riscv64",
        "os": "linux",
        "config": {"Entrypoint": ["/connector"], "Labels": {"io.airbyte.name": "test/source-foreign"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    tag = "tapdock-test/foreign:riscv64"
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    list(api.load_image(_tar({**files, "layer.tar": layer})))
    return tag


def _tar(files: dict[str, bytes]) -> bytes:
    """Of executable files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
