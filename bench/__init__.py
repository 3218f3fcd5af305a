"""The numbers: Corral side by side with dockerd and podman, in one run.

Every engine lives in a room of its own (`bench.room`): private process, network and mount namespaces, so all three do
the same work (their own bridge, their own NAT rules), none meets the host's network, and nothing is left behind.
A *measure* takes one sample of one engine; samples are interleaved (A B C, A B C, …), so that a busy minute of the
machine hits all of them alike; what is shown are medians. Targets stand beside the rows: printed, not asserted.
"""
