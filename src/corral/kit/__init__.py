"""Small tools without any domain: ids, time, backoff, supervised tasks, a bounded background queue.

Imports only the standard library.
"""
