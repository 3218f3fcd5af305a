"""An HTTP/1.1 server for local APIs: unix sockets and TCP, streams both ways, and connections that change protocol.

`parser` turns bytes into events without I/O; `connection` is the asyncio protocol around it; `message` has the
words that handlers use (Request, Response, StreamResponse, Hijack); `server` owns the listeners. It knows nothing
of Docker or Kubernetes.
"""
