"""The cluster in memory: what the store holds, in the bytes that answers are made of, and what changed lately.

One feed follows the store and hands each change to the cache of its resource. Lists, reads and watches are served from
there; the store is asked only for lists as of an earlier revision.
"""
