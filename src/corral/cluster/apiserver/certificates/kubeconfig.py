"""The file that tells kubectl where the cluster is and who the user is."""

from __future__ import annotations

import base64
import json

from corral.cluster.apiserver.certificates.pki import certificate_of, key_of


def render(name: str, server: str, authority: str, identity: str) -> str:
    """Pure: a kubeconfig with one cluster, one user and one context, all called `name`.

    `server` is the URL, `authority` the cluster's certificate, `identity` the user's certificate and key (PEM).

    >>> print(render("corral", "https://127.0.0.1:6443", "A", "-----BEGIN PRIVATE KEY-----")[:118])
    apiVersion: v1
    kind: Config
    preferences: {}
    clusters:
    - name: "corral"
      cluster:
        server: "https://127.0.0.1:6443"
    """
    quoted, url = json.dumps(name), json.dumps(server)
    return f"""apiVersion: v1
kind: Config
preferences: {{}}
clusters:
- name: {quoted}
  cluster:
    server: {url}
    certificate-authority-data: {_data(authority)}
users:
- name: {quoted}
  user:
    client-certificate-data: {_data(certificate_of(identity))}
    client-key-data: {_data(key_of(identity))}
contexts:
- name: {quoted}
  context:
    cluster: {quoted}
    user: {quoted}
current-context: {quoted}
"""


def _data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
