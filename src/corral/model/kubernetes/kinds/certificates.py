"""CertificateSigningRequest, of the group certificates.k8s.io. Pure.

Who asks (username, uid, groups, extra) is written by the server, which knows; a client can't say it. That the request
is signed by its own key is for the signer to check.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import timedelta

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.ages import human_duration
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column
from corral.model.kubernetes.kinds.checks import Problems, each, listed
from corral.model.kubernetes.kinds.fields import ensure, has, indexed, keep, number, objects, part, text, texts
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.+?)-----END \1-----", re.DOTALL)
_LEAST = 600
_ASKER = ("username", "uid", "groups", "extra")
_DECISIONS = ("Approved", "Denied", "Failed")


def _prepare_create(obj: Object) -> None:
    clear_status(obj)
    for key in _ASKER:
        ensure(obj, "spec").pop(key, None)


def _prepare_update(new: Object, old: Object) -> None:
    keep(new, old, "spec", "status")


def _prepare_status(new: Object, old: Object) -> None:
    """The signer writes the certificate; what was decided stays."""
    keep(new, old, "spec")
    decided = [one for one in objects(part(old, "status"), "conditions") if text(one, "type") in _DECISIONS[:2]]
    others = [one for one in objects(part(new, "status"), "conditions") if text(one, "type") not in _DECISIONS[:2]]
    if decided or others:
        ensure(new, "status")["conditions"] = [*decided, *others]


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    if error := request_error(text(spec, "request")):
        yield invalid("spec.request", text(spec, "request"), error)
    usages = texts(spec, "usages")
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            yield not_supported(f"spec.usages[{index}]", usage, USAGES)
        elif usage in usages[:index]:
            yield duplicate(f"spec.usages[{index}]", usage)
    yield from signer_name(text(spec, "signerName"), "spec.signerName")
    seconds = number(spec, "expirationSeconds")
    if has(spec, "expirationSeconds") and seconds < _LEAST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, detail)
    yield from _conditions(obj)


def request_error(encoded: str) -> str:
    """What is wrong with a request, as far as it can be told without reading the key.

    >>> request_error("bm8=")
    'PEM block type must be CERTIFICATE REQUEST'
    """
    try:
        pem = _PEM.search(base64.b64decode(encoded))
        if pem is None or pem[1] != b"CERTIFICATE REQUEST":
            return "PEM block type must be CERTIFICATE REQUEST"
        der = base64.b64decode(b"".join(pem[2].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        return str(error)
    return "" if der[:1] == b"\x30" else "asn1: structure error: tags don't match"


def signer_name(name: str, path: str) -> Problems:
    """
    >>> [str(one) for one in signer_name("me", "spec.signerName")][0][:60]
    'spec.signerName: Invalid value: "me": must be a fully qualif'
    """
    if not name:
        yield required(path)
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest or not rest:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(path, name, detail)
        return
    yield from each(path, name, names.dns_subdomain(domain))
    if "." not in domain:
        yield invalid(path, name, "should be a domain with at least two segments separated by dots")
    for one in rest.split("."):
        yield from each(path, name, names.dns_label(one))


def _conditions(obj: Object) -> Problems:
    seen: set[str] = set()
    path = "status.conditions"
    for at_one, one in indexed(part(obj, "status"), "conditions", path):
        kind, status = text(one, "type"), text(one, "status")
        if not kind:
            yield required(f"{at_one}.type")
        if kind in seen:
            yield duplicate(f"{at_one}.type", kind)
        if {kind, *seen} >= {"Approved", "Denied"} and kind in ("Approved", "Denied"):
            yield invalid(f"{at_one}.type", kind, "Approved and Denied conditions are mutually exclusive")
        seen.add(kind)
        if not status:
            yield required(f"{at_one}.status")
        elif kind in _DECISIONS and status != "True":
            yield not_supported(f"{at_one}.status", status, ("True",))


def check_approval(new: Object, old: Object) -> Problems:
    """What is decided stays decided."""
    yield from _conditions(new)
    now = {text(one, "type") for one in objects(part(new, "status"), "conditions")}
    for one in objects(part(old, "status"), "conditions"):
        kind = text(one, "type")
        if kind in _DECISIONS and kind not in now:
            yield forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')


def _condition(obj: Object) -> str:
    """
    >>> _condition({"status": {"conditions": [{"type": "Approved"}], "certificate": "MQ=="}})
    'Approved,Issued'
    """
    found = {text(one, "type") for one in objects(part(obj, "status"), "conditions")}
    shown = "Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"
    shown += ",Failed" if "Failed" in found else ""
    return shown + (",Issued" if text(part(obj, "status"), "certificate") else "")


def _duration(obj: Object) -> str:
    spec = part(obj, "spec")
    if not has(spec, "expirationSeconds"):
        return NONE
    return human_duration(timedelta(seconds=number(spec, "expirationSeconds")))


CERTIFICATE_SIGNING_REQUEST = Kind(
    default=ensure_status,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=_prepare_status,
    validate=listed(_validate),
    validate_status=listed(check_approval),
    validate_name=names.path_segment,
    has_status=True,
    has_generation=False,
    columns=(
        AGE,
        column("SignerName", lambda obj: text(part(obj, "spec"), "signerName") or NONE),
        column("Requestor", at("spec", "username")),
        column("RequestedDuration", _duration),
        column("Condition", _condition),
    ),
    fields={"spec.signerName": lambda obj: text(part(obj, "spec"), "signerName")},
)
