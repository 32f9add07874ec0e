"""What is meant to be deployed: the image and the job. Built and applied by nobody here, so their words are checked."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mien.cli.parsing import parse
from mien.cli.sweep import Sweep

RAYJOB_FIELDS = {
    *("entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit", "rayClusterSpec"),
}
"""Fields of KubeRay's RayJob (ray.io/v1) that the job uses; likewise below."""
CLUSTER_FIELDS = {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"}
HEAD_FIELDS = {"rayStartParams", "template"}
GROUP_FIELDS = HEAD_FIELDS | {"groupName", "replicas", "minReplicas", "maxReplicas"}


@pytest.fixture
def job(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "deploy" / "rayjob.yaml").read_text("utf-8"))


def test_the_job_is_one_that_kuberay_takes(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == RAYJOB_FIELDS
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) == CLUSTER_FIELDS
    assert set(cluster["headGroupSpec"]) == HEAD_FIELDS
    for group in cluster["workerGroupSpecs"]:
        assert set(group) == GROUP_FIELDS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    templates = [cluster["headGroupSpec"]["template"], *(one["template"] for one in cluster["workerGroupSpecs"])]
    containers = [one for template in templates for one in template["spec"]["containers"]]
    assert len({one["image"] for one in containers}) == 1
    for template in templates:
        volumes = {one["name"] for one in template["spec"].get("volumes", ())}
        assert {one["name"] for c in template["spec"]["containers"] for one in c.get("volumeMounts", ())} == volumes
    # Numbers and texts are what their fields take, and rayStartParams are texts throughout.
    params = [one["rayStartParams"] for one in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert all(isinstance(value, str) for one in params for value in one.values())


def test_the_command_of_the_job_is_one_of_mien(job: dict[str, Any], root: Path) -> None:
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:2] == ["mien", "sweep"]
    options = parse(Sweep, "sweep", words[2:])
    assert (options.engine, options.crew.address, options.finish) == ("ray", "auto", True)
    pinned = re.search(r"^ray==(\S+)$", (root / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def test_the_image_is_nobodys_root_and_knows_whether_it_is_well(root: Path) -> None:
    steps = re.sub(r"\\\n", " ", (root / "Dockerfile").read_text("utf-8"))
    kinds = [line.split()[0] for line in steps.splitlines() if line and not line.startswith("#")]
    assert kinds.index("USER") < kinds.index("CMD")
    assert re.search(r"^USER [1-9]\d*$", steps, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*CMD \["mien", "doctor"\]$', steps, re.MULTILINE)
    copied = re.findall(r"^COPY (.+) \S+$", steps, re.MULTILINE)
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in (name for line in copied for name in line.split()):
        assert (root / name).exists()
        assert name in kept
    extras = re.search(r"ARG EXTRAS=(\S+)", steps)
    assert extras is not None
    known = (root / "pyproject.toml").read_text()
    assert all(re.search(rf"^{name} = \[", known, re.MULTILINE) for name in extras[1].split(","))


@pytest.mark.scale
def test_the_image_is_as_hadolint_would_have_it(root: Path) -> None:
    words = [Path(sys.executable).with_name("hadolint"), root / "Dockerfile"]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
