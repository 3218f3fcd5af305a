"""The cluster's own authorities and what they sign: who the server is to its clients, and its first clients to it.

One file per identity (`name.pem`: certificate and key together, so both change in one step), mode 0600, in
DIR/cluster/pki. What is there and holds is used as it is; `cryptography` is imported only to make something new.
"""
