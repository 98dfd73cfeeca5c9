"""cluster.yaml, checked offline: Ray's own schema and validator, shell syntax, what listens where, and no secrets."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "cluster.yaml").read_text()
COMMANDS = ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load(TEXT)


@pytest.fixture
def commands(config: dict[str, Any]) -> list[str]:
    return [command for kind in COMMANDS for command in config[kind]]


def test_it_fits_rays_schema(config: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout"):
        jsonschema.validate(config | {"idle_timeout": 10}, schema)


def test_ray_accepts_it_as_ray_up_prepares_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(config)
    validate_config(prepared)
    # Nothing of Ray's defaults for AWS is left beside it: their setup installs another Ray.
    assert prepared["setup_commands"] == config["setup_commands"]
    assert set(prepared["available_node_types"]) == {"head", "gpu"}
    assert prepared["available_node_types"]["gpu"]["min_workers"] == 0
    assert prepared["available_node_types"]["gpu"]["max_workers"] == prepared["max_workers"]


def test_the_head_runs_no_trials_and_only_workers_are_spot(config: dict[str, Any]) -> None:
    head, gpu = (config["available_node_types"][name] for name in ("head", "gpu"))
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert head["node_config"]["ImageId"] == gpu["node_config"]["ImageId"]


def test_every_command_is_valid_shell(commands: list[str]) -> None:
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_servers_listen_on_loopback_alone(config: dict[str, Any], commands: list[str]) -> None:
    hosts = re.findall(r"--(?:dashboard-)?host[ =](\S+)", "\n".join(commands))
    assert hosts == ["127.0.0.1", "127.0.0.1"]  # MLflow's and the dashboard's
    assert "0.0.0.0" not in TEXT
    assert "security_group" not in config["provider"]  # which could open ports beyond Ray's own
    [port] = re.findall(r"mlflow server --host 127.0.0.1 --port (\d+)", "\n".join(commands))
    assert f"MLFLOW_TRACKING_URI=http://127.0.0.1:{port}" in "\n".join(commands)


def test_no_secret_and_no_place_of_one_machine_is_in_it(config: dict[str, Any]) -> None:
    assert not re.search(r"AKIA|aws_(access|secret)|password|BEGIN .*KEY|account", TEXT, re.IGNORECASE)
    assert set(config["auth"]) == {"ssh_user"}
    assert config["file_mounts"] == {"~/checkout": ".", "~/.ray/auth_token": "~/.ray/auth_token"}
    assert not re.search(r"[ '\"=](/home|/Users|/root|/tmp)", TEXT)


def test_what_is_shipped_is_the_whole_code(config: dict[str, Any]) -> None:
    """rsync leaves out what .gitignore names: none of it may be code, such as raydensity/data for `data/`."""
    assert config["rsync_filter"] == [".gitignore"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True).stdout
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"], cwd=ROOT, input=tracked, capture_output=True
    )
    assert ignored.stdout == b""
    assert b"raydensity/data/__init__.py" in tracked
