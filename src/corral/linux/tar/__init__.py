"""tar: the archive format, as a strict reader and a deterministic writer.

A tar is a sequence of entries: a header of 512 bytes, then the content padded to 512. What does not fit into the
header (long names, large numbers, extended attributes) comes before it in an entry of its own: `x` with PAX
records, or `L` and `K` in GNU's older way. Two empty blocks end it.

The standard library's tarfile takes a damaged header in the middle for the end and is slow for small files;
a container engine must do neither. `headers` and `pax` are pure; `reader` pulls chunks; `writer` makes bytes.
"""
