"""SPDY/3.1, the server's side: many streams of bytes in one connection, as older clients of Kubernetes speak it.

`frames` turns bytes into frames and back without I/O; `session` keeps the streams on top of a connection.
"""
