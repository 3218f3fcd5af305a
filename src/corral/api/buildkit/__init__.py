"""BuildKit's protocols, as `docker buildx` and Docker Compose speak them to a daemon, before Corral's own builder.

A client opens two connections that leave HTTP: on `/grpc` it calls us, on `/session` we call it::

    client                                    daemon
      POST /grpc     Control.Solve(ref) ─────▶ control.py   opens a Solve and waits for what the frontend returns
                     LLBBridge.Ping, Solve ──▶ bridge.py    what is to be built (asked.py), or a question (questions.py)
                     LLBBridge.Return ───────▶              now the Solve builds (solving.py)
                     Control.Status(ref) ────▶ progress.py  the builder's events as vertices, logs, warnings
      POST /session  ◀─── FileSync, Secrets, SSH, Auth ──   session.py, asking.py: when the builder needs it
                     ◀─── FileSend ───────────────────────  outputs.py

There is no solver of build graphs (LLB) behind it: a request that brings one is refused by name. Nothing of all this
is loaded before the first such connection.
"""
