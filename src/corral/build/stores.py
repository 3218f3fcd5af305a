"""Stores: what may be said of a cache that a build reads or writes: each option is carried out, or refused by name.
Pure."""

from __future__ import annotations

from collections.abc import Mapping

from corral.build.request import BuildRequest, CacheStore
from corral.errors import InvalidInput, Unsupported
from corral.images.references import check_digest, parse_tag

# Options whose one value is what is done anyhow: BuildKit's defaults.
_FIXED = {
    "image-manifest": (True, "a cache is always an image manifest, which all registries take"),
    "oci-mediatypes": (True, "a cache always has OCI's media types"),
}
_FROM = {"registry": set[str](), "inline": set[str](), "local": {"tag", "digest"}}
_TO = {
    "registry": {"ignore-error", "compression", "force-compression", *_FIXED},
    "inline": {"ignore-error"},
    "local": {"tag", "ignore-error", "compression", "compression-level", "force-compression", *_FIXED},
}
_COMPRESSIONS = {"registry": ("gzip",), "local": ("gzip", "zstd", "uncompressed")}
_LEVELS = {"gzip": range(10), "zstd": range(23)}


def check_stores(request: BuildRequest) -> None:
    """InvalidInput and Unsupported for what is not offered, by its name.

    >>> check_stores(BuildRequest(cache_to=[CacheStore("registry", "localhost:5000/cache")]))
    >>> check_stores(BuildRequest(cache_to=[CacheStore("local", "out", options={"compression": "estargz"})]))
    Traceback (most recent call last):
    corral.errors.Unsupported: cache-to type=local: compression=estargz is not supported: gzip, zstd, uncompressed are
    """
    for store in request.cache_from:
        _check_from(store)
    for store in request.cache_to:
        _check_to(store)


def _check_from(store: CacheStore) -> None:
    if store.kind == "inline":
        raise InvalidInput("cache-from type=inline: an image's own cache is found by type=registry,ref=NAME")
    if store.kind == "registry" and not store.ref:
        raise InvalidInput("registry cache importer requires ref")
    _check_names(store, "cache-from", _FROM)
    if store.options.get("digest"):
        check_digest(store.options["digest"])


def _check_to(store: CacheStore) -> None:
    what = f"cache-to type={store.kind}"
    if store.kind == "registry":
        if not store.ref:
            raise InvalidInput("registry cache exporter requires ref")
        parse_tag(store.ref)
    _check_names(store, "cache-to", _TO)
    ignores_errors(store)
    for name, (only, why) in _FIXED.items():
        if name in store.options and _boolean(store, name) != only:
            raise Unsupported(f"{what}: {name}={store.options[name]} is not supported: {why}")
    compression = store.options.get("compression", "")
    if compression and compression not in _COMPRESSIONS[store.kind]:
        offered = _COMPRESSIONS[store.kind]
        are = "are" if len(offered) > 1 else "is"
        raise Unsupported(f"{what}: compression={compression} is not supported: {', '.join(offered)} {are}")
    if _boolean(store, "force-compression") and store.kind == "registry":
        raise Unsupported(
            f"{what}: force-compression is not supported: blobs that the registry has are used as they are"
        )
    compression_level(store.options)


def _check_names(store: CacheStore, flag: str, known: Mapping[str, set[str]]) -> None:
    for name in store.options:
        if name not in known[store.kind]:
            raise Unsupported(f"{flag} type={store.kind}: the option {name} is not supported")


def ignores_errors(store: CacheStore) -> bool:
    """Whether a build goes well when its cache cannot be written. InvalidInput.

    >>> ignores_errors(CacheStore("local", options={"ignore-error": "true"})), ignores_errors(CacheStore("local"))
    (True, False)
    """
    return _boolean(store, "ignore-error")


def _boolean(store: CacheStore, name: str) -> bool:
    text = store.options.get(name, "false")
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise InvalidInput(f"cache-to type={store.kind}: {name}={text} is neither true nor false")
    return text.lower() in ("1", "t", "true")


def compression_level(options: Mapping[str, str]) -> int | None:
    """InvalidInput for what is none.

    >>> compression_level({"compression-level": "9"}), compression_level({})
    (9, None)
    >>> compression_level({"compression": "zstd", "compression-level": "fast"})
    Traceback (most recent call last):
    corral.errors.InvalidInput: compression-level=fast is no level of zstd: 0 to 22 are
    """
    text, kind = options.get("compression-level", ""), options.get("compression") or "gzip"
    if not text:
        return None
    if kind not in _LEVELS:
        raise InvalidInput(f"compression-level={text} does not go with compression={kind}")
    if not text.isdecimal() or int(text) not in _LEVELS[kind]:
        raise InvalidInput(f"compression-level={text} is no level of {kind}: 0 to {_LEVELS[kind][-1]} are")
    return int(text)
