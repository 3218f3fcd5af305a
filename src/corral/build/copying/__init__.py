"""Copying: what COPY and ADD bring, from where, as whose, and to which place. BuildKit's rules.

::

    plan.py      what an op asks for: one `Piece` for each source (pure); where a thing goes (pure)
    match.py     Go's filepath.Match, wildcards, clean paths (pure)
    chmod.py     --chmod, octal and symbolic (pure)
    owner.py     --chown by the image's own /etc/passwd and /etc/group
    filters.py   --exclude and --parents: which paths of a directory are taken (pure)
    listing.py   the files behind a piece: resolved inside their root, wildcards matched, walked in order
    hashing.py   digests of contents, remembered by inode
    digest.py    one digest for all that an op would bring
    act.py       carries an op out; transfer.py makes one file of another, content.py its bytes; archives.py unpacks
    giturl.py, git.py, http.py, fetch.py    sources that are elsewhere

How an executor uses it, for one op::

    fetched = await fetcher.fetch(op, scratch)                # only URLs and repositories; {} for all other ops
    key = await in_thread("digest", lambda: digest(op, source, hashes, fetched))
    ...                                                       # nothing cached under `key` and the parent's key:
    fetched = {path: await one.here() for path, one in fetched.items()}
    await in_thread("copy", lambda: carry_out(op, source, target, fetched))

`source` is `Source(root, owner, name)`: a directory (the context; a read-only mount of a stage or image), the ids
that all in it count as, or None for those they have, and what it is called in errors ("context", "stage-1"). The
context is Source(path, (0, 0)): files in a context belong to nobody yet. Stages and images keep their ids.
`target` is the directory that is the stage's root: what was merged below and a new layer on top, or with `op.link`
(see `links`) an empty directory, which becomes a layer of its own that depends on nothing below.
`hashes` is one `Hashes()` for each build. All of it blocks, except `fetch`.

`digest` covers the whole op: its target and flags, and of its files the names, kinds, modes, owners (as they will
be), contents, links, devices and attributes; not times. It raises `MissingSource` (with `.path`) in BuildKit's words.
All errors are CorralErrors. A failed `carry_out` leaves a part of its work in `target`: throw the layer away.
"""

from corral.build.copying.act import carry_out, links
from corral.build.copying.digest import digest
from corral.build.copying.fetch import Fetched, Fetcher
from corral.build.copying.hashing import Hashes
from corral.build.copying.listing import MissingSource, Source
from corral.build.copying.plan import plan_copy

__all__ = ["Fetched", "Fetcher", "Hashes", "MissingSource", "Source", "carry_out", "digest", "links", "plan_copy"]
