"""Parse names of images, and find their digests."""

__all__ = ["digest_of", "split_tag"]


def digest_of(image: str, repo_digests: list[str]) -> str | None:
    """Return the digest of an image, or None. Of several, that of its own repository is used.

    Other repositories may have compressed the same content differently.
    """
    name, _, wanted = image.partition("@")
    pairs = [text.partition("@")[::2] for text in repo_digests]
    every = [digest for _, digest in pairs]
    own = [digest for repository, digest in pairs if repository == split_tag(name)[0]]
    return wanted if wanted in every else next(iter(own or every), None)


def split_tag(image: str) -> tuple[str, str, str]:
    """Return name, colon and tag. In `host:5000/name:tag`, only a colon after the last slash begins a tag."""
    head, slash, tail = image.rpartition("/")
    name, colon, tag = tail.partition(":")
    return f"{head}{slash}{name}", colon, tag
