"""docker-py's tests that are left out, each with its reason. A test here that passes is an error too."""

_CONTAINERS = "api_container_test"
_NETWORKS = "api_network_test::TestNetworks"
_HOST_BITS = "its IPv6 subnet 2001:389::1/64 has host bits, which dockerd has refused since 26"
_NO_IPV6 = "wants an IPv6 address in a network that was made without IPv6, which dockerd has refused since 26"
_SWARM = "needs a swarm, and swarm is not served yet"

_IMAGES = "models_images_test::ImageCollectionTest"
_EXPERIMENTAL = "skipped by docker-py itself: asks for a daemon in experimental mode"
_COMMITTED = "asks for fields of an image, Container and ContainerConfig, that API 1.45 took away"

LEFT_OUT: dict[str, str] = {
    f"{_CONTAINERS}::CreateContainerTest::test_create_with_storage_opt": (
        "skipped by docker-py itself: needs a file system with quotas"
    ),
    f"{_CONTAINERS}::ContainerTopTest::test_top": "skipped by docker-py itself: depends on the host's ps",
    f"{_CONTAINERS}::ContainerTopTest::test_top_with_psargs": "skipped by docker-py itself: depends on the host's ps",
    f"{_CONTAINERS}::AttachContainerTest::test_run_container_reading_socket_ws": (
        "docker-py cannot open a WebSocket over a unix socket; it fails in the same way with dockerd"
    ),
    "models_containers_test::ContainerCollectionTest::test_run_with_image_that_does_not_exist": (
        "asks Docker Hub: where that is out of reach the error is that it could not be asked"
    ),
    f"{_CONTAINERS}::CreateContainerTest::test_create_with_restart_policy": (
        'asks for "You cannot remove", which Docker said until 25: now it is "cannot remove container"'
    ),
    "models_containers_test::ContainerTest::test_exec_run_failed": (
        "asks for exit code 126 of a program that does not exist: Docker said so until 27, since 28 it is 127"
    ),
    "api_image_test::CommitTest::test_commit": _COMMITTED,
    "api_image_test::CommitTest::test_commit_with_changes": _COMMITTED,
    "api_image_test::PullImageTest::test_pull_invalid_platform": _EXPERIMENTAL,
    f"{_IMAGES}::test_pull_with_sha": "needs the very hello-world of 2019 from Docker Hub, by its digest",
    "api_image_test::ImportImageTest::test_import_from_url": "skipped by docker-py itself: needs a name for this host",
    f"{_NETWORKS}::test_create_check_duplicate": (
        "makes two networks of one name, which dockerd has refused since 25 whatever CheckDuplicate says"
    ),
    f"{_NETWORKS}::test_create_network_ipv6_enabled": _HOST_BITS,
    f"{_NETWORKS}::test_connect_with_ipv6_address": _NO_IPV6,
    f"{_NETWORKS}::test_create_with_ipv6_address": _NO_IPV6,
    f"{_NETWORKS}::test_create_inspect_network_with_scope": _SWARM,
    f"{_NETWORKS}::test_create_network_attachable": _SWARM,
    f"{_NETWORKS}::test_create_network_ingress": _SWARM,
    "api_build_test::BuildTest::test_build_invalid_platform": _EXPERIMENTAL,
    "api_build_test::BuildTest::test_build_squash": _EXPERIMENTAL,
    "api_build_test::BuildTest::test_build_with_cache_from": (
        "asks that a cache-from turns the daemon's own cache off; here it adds to it, as BuildKit's does"
    ),
}

# These read a container's output right after its start, without waiting for the program to have written any: on a busy
# machine they may be early, and are then asked again.
TIMES = 4
EARLY = tuple(
    f"api_build_test::BuildTest::test_build_{name}_dockerfile"
    for name in ("out_of_context", "in_context", "in_context_nested", "in_context_abs")
)
