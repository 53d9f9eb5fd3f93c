"""Names of images, and the digests that an engine knows them by."""

__all__ = ["digest_of", "split_tag"]


def digest_of(image: str, repo_digests: list[str]) -> str | None:
    """That of the image's own repository where it has several: others may have packed the same content otherwise."""
    name, _, wanted = image.partition("@")
    pairs = [text.partition("@")[::2] for text in repo_digests]
    every = [digest for _, digest in pairs]
    own = [digest for repository, digest in pairs if repository == split_tag(name)[0]]
    return wanted if wanted in every else next(iter(own or every), None)


def split_tag(image: str) -> tuple[str, str, str]:
    """`host:5000/name:tag`: a colon is a tag's only behind the last slash."""
    head, slash, tail = image.rpartition("/")
    name, colon, tag = tail.partition(":")
    return f"{head}{slash}{name}", colon, tag
