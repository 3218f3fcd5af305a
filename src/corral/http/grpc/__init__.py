"""gRPC over a connection that has left HTTP/1.1: whichever side asks, both may be served on this one.

::

    link.py      a connection of HTTP/2: streams, their windows, their ends (the frames are h2's)
    flow.py      one stream of it: messages both ways
    status.py    how a call ends: codes, and errors with their details
    serving.py   the other side calls us
    calls.py     we call the other side

Nothing here is loaded before the first client asks for it.
"""
