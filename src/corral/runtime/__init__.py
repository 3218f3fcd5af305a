"""Runtime: from a container's record to a process.

`plan.py` decides everything that an OCI runtime must be told (pure); `oci.py` speaks to the runtime (runc, crun),
`monitor.py` to the monitor (conmon) that keeps a process' output and exit status.
"""
