"""Corral for tests: an instance of one's own (engine, registry, Kubernetes API), ready at once, gone without a trace.

With pytest there is nothing to set up: the plugin comes with the package (`corral.testing.plugin` has its fixtures).
Without pytest::

    from corral.testing import Isolated

    with Isolated() as corral:
        docker.DockerClient(base_url=corral.docker_host)
        kubernetes.config.load_kube_config(config_file=str(corral.kubeconfig))
"""

from corral.testing.isolated import Isolated

__all__ = ["Isolated"]
