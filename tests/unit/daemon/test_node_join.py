from __future__ import annotations

import ssl

import pytest

from corral.daemon.node_join import LONGEST_NAME, check_node_name, why_unreached
from corral.errors import InvalidInput


def test_a_certificate_for_another_name_comes_with_what_helps() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 64, "IP address mismatch, certificate is not valid for '10.0.0.7'."
    assert why_unreached(error) == (
        "IP address mismatch, certificate is not valid for '10.0.0.7': "
        "there, corral up --kubernetes-name with that name or address"
    )
    error.verify_code = 10
    assert "--kubernetes-name" not in why_unreached(error)
    assert "refused" in why_unreached(ConnectionRefusedError(111, "Connection refused"))


def test_names_that_no_label_can_hold() -> None:
    check_node_name("n" * LONGEST_NAME)
    with pytest.raises(InvalidInput, match="no more than 63 characters"):
        check_node_name("n" * (LONGEST_NAME + 1))
