"""/healthz, /livez and /readyz: is the server well, check by check. Follows k8s.io/apiserver/pkg/server/healthz."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from corral.http.message import Request, Response

Check = Callable[[], str]  # what is wrong; "" if nothing is
PATHS: Final = ("healthz", "livez", "readyz")
_HEADERS: Final = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache, private",
}


class Health:
    """`checks` by name, in the order in which they are told. `ready_only`: names that /livez leaves out."""

    def __init__(self, checks: Mapping[str, Check], ready_only: tuple[str, ...] = ()) -> None:
        self._checks, self._ready_only = dict(checks), ready_only

    def answer(self, request: Request) -> Response | None:
        """None when the path is none of these."""
        word, _, name = request.path.strip("/").partition("/")
        if word not in PATHS:
            return None
        checks = {key: check for key, check in self._checks.items() if word != "livez" or key not in self._ready_only}
        if not name:
            return self._all(request, word, checks)
        if name not in checks:
            return None
        wrong = checks[name]()
        if wrong:
            return Response(500, _HEADERS, f"internal server error: {wrong}\n".encode())
        return Response(200, _HEADERS, b"ok")

    @staticmethod
    def _all(request: Request, word: str, checks: dict[str, Check]) -> Response:
        excluded = {name for text in request.query.all("exclude") for name in text.split(",") if name}
        lines, failed = [], False
        for name, check in checks.items():
            if name in excluded:
                excluded.discard(name)
                lines.append(f"[+]{name} excluded: ok")
                continue
            wrong = check()
            failed = failed or bool(wrong)
            lines.append(f"[-]{name} failed: reason withheld" if wrong else f"[+]{name} ok")
        if excluded:
            listed = ", ".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {listed}")
        text = "\n".join(lines) + "\n"
        if failed:
            return Response(500, _HEADERS, f"{text}{word} check failed\n".encode())
        if "verbose" in request.query:
            return Response(200, _HEADERS, f"{text}{word} check passed\n".encode())
        return Response(200, _HEADERS, b"ok")
