"""`docker` as a person would call it: the floor of most rows. Everything carries this call's label."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import BenchError

__all__ = ["LABEL", "ask", "build", "image_id", "labelled", "run_command"]

LABEL = "io.tapdock.bench"


def run_command(
    image: str,
    *args: str,
    label: str,
    log_driver: str | None = None,
    mounts: Mapping[Path, str] | None = None,
    options: Sequence[str] = (),
) -> list[str]:
    """`docker run --rm …`; without `log_driver` the engine's default one sees every byte."""
    driver = [f"--log-driver={log_driver}"] if log_driver else []
    volumes = [f"--volume={path}:{place}" for path, place in (mounts or {}).items()]
    return ["docker", "run", "--rm", f"--label={LABEL}={label}", *driver, *volumes, *options, image, *args]


def ask(*args: str) -> str:
    """A short `docker` command's output. Raises BenchError."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"`docker {' '.join(args)[:200]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def image_id(image: str) -> str | None:
    """None where the image is not here."""
    return ask("images", "--quiet", "--no-trunc", image) or None


def build(tag: str, context: Path) -> str:
    """Build a folder with a Dockerfile; the tag."""
    ask("build", "--quiet", "--force-rm", f"--label={LABEL}={tag}", "--tag", tag, str(context))
    return tag


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Whatever happens inside, no container with the label is left."""
    try:
        yield
    finally:
        left = ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}={label}").split()
        if left:
            ask("rm", "--force", "--volumes", *left)
