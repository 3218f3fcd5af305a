"""Archive: tar streams into and out of directories, safely. Blocking functions; run them in a thread.

::

    extract(chunks, root)                  unpack a tar into `root`
    pack(write, root, "etc", "etc")        the directory `etc` of `root`, with all below it, as a tar

`root` is a path or an open directory; nothing outside it is ever read or written, however links inside point.
`streams.consume` and `streams.produce` connect both to the event loop:

::

    result = await consume(request.stream(), lambda source: extract(source, root, UnpackOptions(keep_kinds=True)))
    body = produce(lambda write: pack(write, root, "var/log", "log"))

Compressed input goes through `compression.decompressed(source)` first. Damaged archives raise `BadTar`
(an InvalidInput), hostile names InvalidInput, a full disk NoSpace, other refusals HostError; each names the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from corral.linux.pack import Packer, PackOptions
from corral.linux.tar.entry import BadTar, Entry, Limits
from corral.linux.tar.reader import TarReader
from corral.linux.tree import Tree, remove_tree
from corral.linux.unpack import Unpacked, Unpacker, UnpackOptions, clean_name


def extract(
    chunks: Iterable[bytes],
    root: int | str,
    options: UnpackOptions | None = None,
    raw: Callable[[bytes], object] | None = None,
) -> Unpacked:
    """Unpacks an uncompressed tar into `root`; reads the stream to its end. What was unpacked before an error stays.

    `raw` is told every byte of the archive that is not a file's content (see `TarReader`).
    """
    options = options or UnpackOptions()
    reader = TarReader(chunks, raw=raw, limits=options.limits) if raw else TarReader(chunks, limits=options.limits)
    with Tree(root) as tree:
        return Unpacker(tree, options).run(reader)


def pack(
    write: Callable[[bytes], None],
    root: int | str,
    path: str = "",
    name: str = "",
    options: PackOptions | None = None,
) -> None:
    """Writes `path` of `root` as a whole archive whose first entry is called `name` (see `Packer.add`).

    FileNotFoundError if `path` is missing. Links on the way to `path` are followed inside the root, its last
    component is not.
    """
    with Packer(write, root, options) as packer:
        packer.add(path, name)
        packer.finish()


__all__ = [
    "BadTar", "Entry", "Limits", "PackOptions", "Packer", "TarReader", "Tree", "UnpackOptions", "Unpacked",
    "Unpacker", "clean_name", "extract", "pack", "remove_tree",
]  # fmt: skip
