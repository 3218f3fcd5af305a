"""docker-py's tests that are left out, each with its reason. A test here that passes is an error too."""

_CONTAINERS = "api_container_test"
_HUB = "asks Docker Hub for an image, and the tests run without a network"
_EXPERIMENTAL = "skipped by docker-py itself: asks for a daemon in experimental mode"
_CONTAINER = "asks for the field Container of an image, which the API has no longer had since 1.45"

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
        "asks a registry, and registries are not served yet"
    ),
    "models_containers_test::ContainerCollectionTest::test_run_with_network": (
        "makes a network of its own, and these are not served yet"
    ),
    f"{_CONTAINERS}::CreateContainerTest::test_create_with_restart_policy": (
        'asks for "You cannot remove", which Docker said until 25: now it is "cannot remove container"'
    ),
    "models_containers_test::ContainerTest::test_exec_run_failed": (
        "asks for exit code 126 of a program that does not exist: Docker said so until 23, now it is 127"
    ),
    f"{_CONTAINERS}::LinkTest::test_remove_link": "removing a legacy link from a container is refused by name",
    "api_image_test::PullImageTest::test_pull": _HUB,
    "api_image_test::PullImageTest::test_pull_streaming": _HUB,
    "api_image_test::ImportImageTest::test_get_load_image": _HUB,
    "api_image_test::PruneImagesTest::test_prune_images": _HUB,
    "api_image_test::InspectDistributionTest::test_inspect_distribution": _HUB,
    "models_images_test::ImageCollectionTest::test_list": _HUB,
    "models_images_test::ImageCollectionTest::test_list_with_repository": _HUB,
    "models_images_test::ImageCollectionTest::test_pull": _HUB,
    "models_images_test::ImageCollectionTest::test_pull_multiple": _HUB,
    "models_images_test::ImageCollectionTest::test_pull_with_sha": _HUB,
    "models_images_test::ImageCollectionTest::test_pull_with_tag": _HUB,
    "models_images_test::ImageTest::test_tag_and_remove": _HUB,
    "api_build_test::BuildTest::test_build_invalid_platform": _EXPERIMENTAL,
    "api_build_test::BuildTest::test_build_squash": _EXPERIMENTAL,
    "api_image_test::PullImageTest::test_pull_invalid_platform": _EXPERIMENTAL,
    "api_build_test::BuildTest::test_build_with_network_mode": (
        "makes a network of its own, and these are not served yet"
    ),
    "api_image_test::ImportImageTest::test_import_from_url": "skipped by docker-py itself: needs a server of files",
    "api_image_test::CommitTest::test_commit": _CONTAINER,
    "api_image_test::CommitTest::test_commit_with_changes": _CONTAINER,
    "api_build_test::BuildTest::test_build_with_cache_from": (
        "asks that a cache-from turns the daemon's own cache off; here it adds to it, as BuildKit's does"
    ),
}
