"""docker-compose.yml: valid, without default secrets, published on loopback only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import NoReturn

import pytest

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def compose(root):
    return yaml.safe_load((root / "docker-compose.yml").read_text())


def test_every_service_is_pinned_checked_and_keeps_its_data(compose):
    """A service has a build or a tagged image, a health check, a volume, and comes back after a restart."""
    assert set(compose["services"]) == {"lin", "store", "neo4j"}
    for service in compose["services"].values():
        assert "build" in service or not service["image"].endswith((":latest", service["image"].split(":")[0]))
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(compose["volumes"])


def test_ports_are_published_on_loopback_only(compose):
    """Nothing is reachable from another machine unless someone decides so."""
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_secrets_come_from_the_environment_and_have_no_default(compose, root):
    """Every secret names a variable that the example leaves empty, and no service holds one in its settings."""
    assert compose["secrets"]
    example = (root / ".env.example").read_text()
    for secret in compose["secrets"].values():
        assert set(secret) == {"environment"}
        assert f"#{secret['environment']}=" in example
    assigned = [line for line in example.splitlines() if line and not line.startswith("#")]
    assert assigned == []
    settings = [key for service in compose["services"].values() for key in service.get("environment", {})]
    assert [key for key in settings if key.endswith(("KEY", "PASSWORD", "TOKEN", "AUTH"))] == []


def _compose_command(root) -> list[str] | None:
    """Find Docker Compose: the client's plugin, or the one that `.ci/run` made."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0:
        return [docker, "compose"]
    standalone = shutil.which("docker-compose", path=f"{root / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return [standalone] if standalone else None


@pytest.mark.service
@pytest.mark.parametrize("profile", [[], ["--profile", "graph"]])
def test_docker_compose_accepts_the_file(root, require_service: Callable[[str, str], NoReturn], profile):
    """`docker compose config` passes in a fresh clone, before anything is filled in."""
    command = _compose_command(root)
    if command is None:
        require_service("Docker Compose", "neither `docker compose` nor `docker-compose` starts")
    secrets = {"LIN_TOKEN", "S3_ACCESS_KEY", "S3_SECRET_KEY", "NEO4J_AUTH"}
    environment = {name: value for name, value in os.environ.items() if name not in secrets}
    done = subprocess.run(
        [*command, "--env-file", os.devnull, *profile, "config", "--quiet"],
        check=False,
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
