"""What others need to know to recognise our service accounts' tokens (OpenID Connect Discovery). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from corral.cluster.apiserver.authentication.keys import PublicKey

CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
KEYS_PATH: Final = "/openid/v1/jwks"
KEYS_TYPE: Final = "application/jwk-set+json"
MAX_AGE: Final = 3600


def configuration(issuer: str, keys_url: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """The document at `CONFIGURATION_PATH`; `keys_url` is where the other one is, for whoever reads it."""
    return {
        "issuer": issuer,
        "jwks_uri": keys_url,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.jwk()["alg"] for key in keys}),
    }


def key_set(keys: Sequence[PublicKey]) -> dict[str, Any]:
    """The document at `KEYS_PATH`, of type `KEYS_TYPE`."""
    return {"keys": [key.jwk() for key in keys]}
