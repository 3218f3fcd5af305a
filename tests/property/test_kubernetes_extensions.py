"""Definitions, policies and webhook configurations of any shape, and objects of any shape: never a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from corral.cluster.apiserver.cel import messages
from corral.cluster.apiserver.cel.environment import environment
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError
from corral.cluster.apiserver.cel.process import Expressions
from tests.contract.test_kubernetes_definitions import definition
from tests.property.test_kubernetes_server import places, replaced, values
from tests.support.kubernetes import APPLY_PATCH, MERGE_PATCH, LiveKubernetes, Namespace

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
MATCH = {"resourceRules": [RULE]}
CONDITIONS = [{"name": "c", "expression": "object.metadata.name == 'x'"}]
HOOK = {"name": "a.example.com", "clientConfig": {"url": "https://127.0.0.1:1/x"}, "rules": [RULE], "sideEffects": "None",  # noqa: E501
    "admissionReviewVersions": ["v1"], "matchConditions": CONDITIONS}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    CRDS: definition("fuzz.example.com"),
    f"{ADMISSION}/validatingwebhookconfigurations": {"metadata": {"name": "x"}, "webhooks": [HOOK]},
    f"{ADMISSION}/mutatingwebhookconfigurations": {"metadata": {"name": "x"}, "webhooks": [HOOK]},
    f"{ADMISSION}/validatingadmissionpolicies": {"metadata": {"name": "x"}, "spec": {
        "matchConstraints": MATCH, "validations": [{"expression": "true", "messageExpression": "'a'"}],
        "variables": [{"name": "v", "expression": "1"}], "matchConditions": CONDITIONS}},
    f"{ADMISSION}/mutatingadmissionpolicies": {"metadata": {"name": "x"}, "spec": {
        "matchConstraints": MATCH, "reinvocationPolicy": "Never", "mutations": [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}},
    "/apis/apiregistration.k8s.io/v1/apiservices": {"metadata": {"name": "v1.a.example.com"}, "spec": {
        "group": "a.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
        "service": {"name": "s", "namespace": "n"}}},
}  # fmt: skip
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, Any]:
    where = draw(st.sampled_from(sorted(BODIES)))
    obj: Any = BODIES[where]
    for _ in range(draw(st.integers(1, 3))):
        obj = replaced(obj, draw(st.sampled_from(sorted(places(obj), key=repr))), draw(values))
    return where, obj


@pytest.fixture(scope="module")
def ns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    with LiveKubernetes(tmp_path_factory.mktemp("kubernetes")) as cluster:
        ns = Namespace(cluster, "fuzz")
        ns.admin.ok("POST", CRDS, definition("herd.example.com"))
        ns.create("cows", {"metadata": {"name": "there"}, "spec": {"size": 4}}, "herd.example.com/v1")
        yield ns


@fuzz
@given(broken())
def test_definitions_and_policies(ns: Namespace, made: tuple[str, Any]) -> None:
    """What is taken is served: the next request must find a server that still works."""
    where, obj = made
    answer = ns.admin.ask("POST", where, obj)
    assert answer.status in (201, 400, 403, 404, 409, 413, 422), (answer.status, answer.body, obj)
    if answer.status != 201:
        json.loads(answer.body)
        return
    name = answer.json["metadata"]["name"]
    try:
        assert ns.admin.ask("GET", "/apis").status == 200
        assert ns.admin.ask("GET", "/openapi/v3").status == 200
        if where == CRDS:
            group, versions = answer.json["spec"]["group"], answer.json["spec"]["versions"]
            for version in versions:
                path = f"/apis/{group}/{version['name']}/{answer.json['spec']['names']['plural']}"
                assert ns.admin.ask("GET", path).status in (200, 404)
                assert ns.admin.ask("GET", f"/openapi/v3/apis/{group}/{version['name']}").status in (200, 404)
    finally:
        ns.admin.ask("DELETE", f"{where}/{name}")


@st.composite
def cows(draw: st.DrawFn) -> Any:
    obj: Any = {"apiVersion": "herd.example.com/v1", "kind": "Cow", "metadata": {"name": "there"}, "spec": {
        "size": 5, "color": "red", "tags": {"a": "b"}}, "status": {"replicas": 1, "conditions": [{"type": "a"}]}}  # fmt: skip  # noqa: E501
    for _ in range(draw(st.integers(1, 3))):
        obj = replaced(obj, draw(st.sampled_from(sorted(places(obj), key=repr))), draw(values))
    return obj


@fuzz
@given(cows(), st.sampled_from(["POST", MERGE_PATCH, APPLY_PATCH]), st.sampled_from(["", "/status", "/scale"]))
def test_custom_objects(ns: Namespace, obj: Any, way: str, sub: str) -> None:
    path = ns.path("cows", group="herd.example.com/v1")
    if way == "POST":
        answer = ns.admin.ask("POST", f"{path}?dryRun=All", obj)
    else:
        answer = ns.admin.patch(
            f"{path}/there{sub}?dryRun=All&fieldManager=m{'&force=true' * (way == APPLY_PATCH)}", obj, way
        )
    assert answer.status in (200, 201, 400, 403, 404, 409, 413, 415, 422), (answer.status, answer.body, obj)


pieces = st.sampled_from(
    "self . a b [ ] ( ) { } ' \" + - * / % ! = == && || ? : , 1 2.5 9223372036854775807 null true in has( size( .map(x, "  # noqa: E501
    ".all(x, x) 'a' b'b' timestamp( duration( optional.of( optional.none() .orValue( quantity( type( .matches( "
    ".format([ cel.bind(y, .? [? dyn( string( int( 0 {} []".split(" ")
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join), values)
@example("[optional.none()]", 1)
@example("{'a': optional.of(1)}", 1)
@example("type(self)", {})
@example("lists.range(100000000)", 1)
@example("self.map(x, self + self)", [["x" * 1000] * 100] * 100)
def test_expressions_give_a_value_or_an_error(expression: str, value: Any) -> None:
    try:
        json.dumps(environment("self").compile(expression).run({"self": value}), default=repr)
    except (CompileError, EvaluationError) as error:
        assert error.message


# What nobody would write, and somebody does: the evaluator answers, or it is replaced

NOISE = st.text(alphabet="()[]{}.,:?!-+*/%<>=&|'\"\\ \n0159aeux_", max_size=200)
WORDS = st.sampled_from(
    "self size has all exists map filter matches find findAll replace join split format string int double duration "
    "timestamp quantity ip cidr url semver image optional cel.bind lists.range sets.contains transformMap sortBy true "
    "null in".split()
)
PIECES = st.lists(st.one_of(WORDS, NOISE, st.sampled_from(["(", ")", "[", "]", ".", ",", "'a'", "1", "self.l", "self.s"])), max_size=40)  # fmt: skip  # noqa: E501
NESTED = st.builds(lambda a, b, n, x: a * n + x + b * n, st.sampled_from("([{!-"), st.sampled_from(")]}"), st.integers(0, 9000), st.sampled_from(["1", "self", "[]"]))  # fmt: skip  # noqa: E501
PATTERNS = st.builds(lambda one: f"self.s.matches({one!r})", st.text(alphabet="(){}[]*+?.|\\^$a1,", max_size=60))
HOSTILE = st.one_of(PIECES.map("".join), PIECES.map(" ".join), NOISE, NESTED, PATTERNS, st.text(max_size=100))


VALUES = {"self": {"l": list(range(2000)), "s": "ab" * 5000, "m": {str(n): n for n in range(100)}}}


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[list[str]], list[messages.Found]]]:
    """Evaluates expressions in the evaluator's process."""
    with asyncio.Runner() as runner:
        expressions = Expressions()

        def act(texts: list[str]) -> list[messages.Found]:
            part = messages.Part([messages.Item(one) for one in texts])
            return runner.run(expressions.evaluate(["self"], VALUES, [part]))[0].found

        yield act
        runner.run(expressions.close())


@settings(max_examples=150, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=10))
def test_hostile_expressions_are_answered(ask: Callable[[list[str]], list[messages.Found]], texts: list[str]) -> None:
    try:
        assert len(ask(texts)) == len(texts)
    except EvaluationError as error:
        assert error.message.startswith(("operation cancelled", "the evaluator of expressions ended"))
    assert ask(["1 + 1"])[0].value == 2
