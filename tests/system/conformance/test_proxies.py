"""sig-network: pods and services through the API server, by every method."""

from __future__ import annotations

import pytest

from tests.support.conformance import Space, container

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

SAY = r"""#!/bin/sh
printf "Content-Type: application/json\r\n\r\n"
echo foo $REQUEST_METHOD"""
SCRIPT = f"""mkdir -p /w/cgi-bin
printf %s '<a href="/rewriteme">test</a>' >/w/index.html
cat >/w/cgi-bin/say <<'END'
{SAY}
END
chmod +x /w/cgi-bin/say
exec httpd -f -p 1080 -h /w
"""


@pytest.fixture(scope="module")
def web(shared: Space) -> Space:
    ports = [{"name": "dest", "containerPort": 1080}]
    probe = {"tcpSocket": {"port": 1080}, "periodSeconds": 1}
    main = container(SCRIPT, ports=ports, readinessProbe=probe)
    shared.create("pods", "web", {"spec": {"containers": [main]}}, labels={"app": "web"})
    named = [{"name": "named", "port": 80, "targetPort": "dest"}, {"name": "plain", "port": 81, "targetPort": 1080}]
    shared.create("services", "web", {"spec": {"selector": {"app": "web"}, "ports": named}})
    shared.ready("web")
    shared.until("web", lambda one: one.get("subsets"), "endpoints")
    return shared


@pytest.mark.parametrize(
    "name", ["pods/web:1080", "pods/http:web:1080", "services/web:named", "services/http:web:plain"]
)
def test_pages(web: Space, name: str) -> None:
    """Who follows a link of a page stays behind the proxy."""
    place = f"{web.path(name)}/proxy"
    answer = web.admin.ask("GET", f"{place}/")
    assert (answer.status, answer.body.decode()) == (200, f'<a href="{place}/rewriteme">test</a>')
    answer = web.admin.ask("GET", place)
    assert (answer.status, answer.headers["location"]) == (301, f"{place}/")


@pytest.mark.parametrize("name", ["pods/web:1080", "services/web:named"])
def test_methods(web: Space, name: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = web.admin.ask(method, f"{web.path(name)}/proxy/cgi-bin/say?method={method}")
        assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else f"foo {method}\n".encode())
