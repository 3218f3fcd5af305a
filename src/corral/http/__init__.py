"""An HTTP/1.1 server for local APIs: unix sockets and TCP, streams both ways, and connections that change protocol.

`head` and `parser` turn bytes into events without I/O; `connection` is the asyncio protocol around them; `message`
has the words that handlers use (Request, Response, StreamResponse, Hijack); `answering` and `outgoing` send; `tls` and
`websocket` lie below and above a connection; `server` owns the listeners. It knows nothing of Docker or Kubernetes.
"""
