from __future__ import annotations

import ssl

from corral.cluster.joining.unreached import why_unreached


def test_a_certificate_for_another_name_comes_with_what_helps() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 64, "IP address mismatch, certificate is not valid for '10.0.0.7'."
    assert why_unreached(error) == (
        "IP address mismatch, certificate is not valid for '10.0.0.7': "
        "there, corral up --kubernetes-name with that name or address"
    )


def test_a_clock_that_is_off_is_thought_of() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    assert why_unreached(error) == (
        "its certificate is not yet valid by this machine's clock: set this clock, or the other's, if it is off"
    )


def test_what_nobody_knows_better_is_said_as_it_is() -> None:
    assert why_unreached(OSError(-2, "Name or service not known")) == "[Errno -2] Name or service not known"
    assert why_unreached(TimeoutError()) == "no answer"
