"""Run `docker` as a person would: the floor of most rows. All containers have this call's label."""

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
    """Return `docker run --rm …`. Without `log_driver`, the engine's default one gets every byte."""
    driver = [f"--log-driver={log_driver}"] if log_driver else []
    volumes = [f"--volume={path}:{place}" for path, place in (mounts or {}).items()]
    return ["docker", "run", "--rm", f"--label={LABEL}={label}", *driver, *volumes, *options, image, *args]


def ask(*args: str) -> str:
    """Return the output of a short `docker` command. Raises BenchError."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"`docker {' '.join(args)[:200]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def image_id(image: str) -> str | None:
    """Return the id of an image; None if it is not present."""
    return ask("images", "--quiet", "--no-trunc", image) or None


def build(tag: str, context: Path) -> str:
    """Build an image from a folder with a Dockerfile. Return its tag."""
    ask("build", "--quiet", "--force-rm", f"--label={LABEL}={tag}", "--tag", tag, str(context))
    return tag


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Remove all containers with the label at the end, in any ending."""
    try:
        yield
    finally:
        left = ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}={label}").split()
        if left:
            ask("rm", "--force", "--volumes", *left)
