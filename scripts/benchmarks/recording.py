"""Record a real connector's output once, and build the images that replay it and discard it."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.containers import build, image_id, run_command
from benchmarks.processes import PROGRAMS, BenchError
from tapdock.connectors.selection import select_streams
from tapdock.protocol import airbyte
from tapdock.protocol.answer import read_answer
from tapdock.protocol.catalog import ConfiguredStream, configured_catalog, parse_catalog
from tapdock.relay.pipes import CAPACITY

__all__ = ["SOURCE", "Recording", "base_image", "faker_config", "null_image", "record", "replay_image"]

SOURCE = "tapdock/source-faker:7.2.1"
_BASE_IMAGE = Path(__file__).parents[1] / "base-image"


def faker_config(users: int) -> dict[str, int]:
    """Return the config for this number of users and purchases, and 100 products."""
    return {"count": users, "seed": 1}


@dataclass(frozen=True)
class Recording:
    """A folder with the source's `catalog.jsonl` and `messages.jsonl`, and their number in `records`."""

    folder: Path

    @property
    def messages(self) -> Path:
        return self.folder / "messages.jsonl"

    @property
    def records(self) -> int:
        return int((self.folder / "records").read_text())

    @property
    def streams(self) -> tuple[ConfiguredStream, ...]:
        """All streams, configured as in a run without `select`."""
        catalog = read_answer((self.folder / "catalog.jsonl").read_bytes()).catalog
        assert catalog is not None, "checked when it was recorded"
        return select_streams(parse_catalog(catalog), [], {})

    def batches(self) -> Iterator[bytes]:
        """Yield the messages in whole lines, in batches of about the size that the relay reads."""
        with self.messages.open("rb") as file:
            while batch := file.read(CAPACITY):
                yield batch + file.readline()


def record(users: int, *, label: str, cache: Path) -> Recording:
    """Return the recording of this image and size. It is moved into its place when it is complete."""
    found = image_id(SOURCE)
    if found is None:
        raise BenchError(f"there is no image `{SOURCE}`\nhint: run `scripts/demo`, which builds it")
    recording = Recording(cache / _key(found, str(users)))
    if not recording.folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            _record(Recording(Path(made)), users, label)
            Path(made).rename(recording.folder)
    return recording


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _record(recording: Recording, users: int, label: str) -> None:
    folder = recording.folder
    folder.chmod(0o755)
    config = folder / "config.json"
    config.write_bytes(orjson.dumps(faker_config(users)))
    catalog = folder / "catalog.json"
    mounts = {config: "/config.json:ro"}
    _save(folder / "catalog.jsonl", "discover", "--config", "/config.json", label=label, mounts=mounts)
    catalog.write_bytes(configured_catalog(recording.streams))
    mounts[catalog] = "/catalog.json:ro"
    arguments = ("read", "--config", "/config.json", "--catalog", "/catalog.json")
    _save(recording.messages, *arguments, label=label, mounts=mounts)
    (folder / "records").write_text(str(sum(_records_in(batch) for batch in recording.batches())))


def _records_in(batch: bytes) -> int:
    return sum(isinstance(message, airbyte.RecordMessage) for message in airbyte.MESSAGES.decode_lines(batch))


def _save(path: Path, *arguments: str, label: str, mounts: Mapping[Path, str]) -> None:
    command = run_command(SOURCE, *arguments, label=label, log_driver="none", mounts=mounts)
    with path.open("wb") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"`{SOURCE} {arguments[0]}` failed: {done.stderr.decode(errors='replace')[-500:]}")


def null_image() -> str:
    """Return the image of a Singer target that discards everything."""
    entrypoint = ["python3", "-I", "-S", "/target.py"]
    return _image("null", entrypoint, kind="singer", files={"target.py": PROGRAMS / "null_target.py"})


def replay_image(recording: Recording) -> str:
    """Return the image of an Airbyte source that replays the recording, `times` times by its config."""
    files = {
        "source.sh": PROGRAMS / "replay_source.sh",
        "recording/catalog.jsonl": recording.folder / "catalog.jsonl",
        "recording/messages.jsonl": recording.messages,
    }
    return _image("replay", ["/bin/sh", "/source.sh"], kind="airbyte", files=files, key=recording.folder.name)


def _image(name: str, entrypoint: list[str], *, kind: str, files: Mapping[str, Path], key: str = "") -> str:
    """Build an image unless one with the same content is present; `docker images tapdock/bench-*` lists them."""
    program = next(iter(files.values())).read_text()
    tag = f"tapdock/bench-{name}:{_key(program, repr(entrypoint), key)}"
    if image_id(tag):
        return tag
    with tempfile.TemporaryDirectory() as context:
        for place, path in files.items():
            target = Path(context) / "root" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        lines = [f"FROM {base_image()}", "COPY root /", f"LABEL io.tapdock.kind={kind}"]
        lines.append(f"ENTRYPOINT {orjson.dumps(entrypoint).decode()}")
        (Path(context) / "Dockerfile").write_text("\n".join(lines) + "\n")
        return build(tag, Path(context))


def base_image() -> str:
    """Return the image that `scripts/base-image` prints. Raises BenchError."""
    done = subprocess.run([_BASE_IMAGE], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError("there is no base image\nhint: see the error of `scripts/base-image` above")
    return done.stdout.strip()
