"""The only owner of system calls: mounts, namespaces, cgroups, netlink, nftables, processes.

Each file is one feature of the kernel. Parsers and encoders are pure and stand beside the code that acts.
"""
