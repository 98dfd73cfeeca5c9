"""The cluster files, checked offline: Ray's own schema and validator, shell syntax, what listens where, no secrets.

tests/cluster/test_own_machines.py runs one of them for real.
"""

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
AWS, OWN = "cluster.yaml", "cluster-own-machines.yaml"
COMMANDS = ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
SCRIPTS = ("cluster/environment.sh", "cluster/mlflow.sh")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=[AWS, OWN])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


@pytest.fixture
def commands(config: dict[str, Any]) -> list[str]:
    return [command for kind in COMMANDS for command in config.get(kind, [])]


def test_it_fits_rays_schema(config: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout"):
        jsonschema.validate(config | {"idle_timeout": 10}, schema)


def test_ray_accepts_it_as_ray_up_prepares_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(config)
    validate_config(prepared)
    # Nothing of Ray's defaults is left beside it: their setup installs another Ray.
    assert prepared["setup_commands"] == config["setup_commands"]
    assert prepared["head_setup_commands"] == config["setup_commands"] + config.get("head_setup_commands", [])


def test_aws_has_cpu_and_gpu_workers_that_come_and_go() -> None:
    types = prepare_config(read(AWS))["available_node_types"]
    assert set(types) == {"head", "gpu", "cpu"}
    assert types["gpu"]["min_workers"] == types["cpu"]["min_workers"] == 0
    assert types["gpu"]["max_workers"] + types["cpu"]["max_workers"] == read(AWS)["max_workers"]
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    for worker in ("gpu", "cpu"):
        assert types[worker]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert types[worker]["node_config"]["ImageId"] == types["head"]["node_config"]["ImageId"]


def test_all_machines_of_ones_own_are_kept() -> None:
    [machines] = prepare_config(read(OWN))["available_node_types"].values()
    assert machines["min_workers"] == machines["max_workers"] == len(read(OWN)["provider"]["worker_ips"])


def test_the_head_runs_no_trials() -> None:
    assert read(AWS)["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert "ray start --head --port=6379 --num-cpus=0 --num-gpus=0 " in read(OWN)["head_start_ray_commands"][-1]
    assert "--num" not in read(OWN)["worker_start_ray_commands"][-1]


def test_every_command_is_valid_shell(commands: list[str]) -> None:
    for command in (*commands, *((ROOT / script).read_text() for script in SCRIPTS)):
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_servers_listen_on_loopback_alone(config: dict[str, Any], commands: list[str]) -> None:
    mlflow, environment = ((ROOT / script).read_text() for script in reversed(SCRIPTS))
    assert "~/checkout/cluster/mlflow.sh" in config["head_start_ray_commands"]
    assert any("cluster/environment.sh' >> ~/.bashrc" in command for command in config["setup_commands"])
    assert re.findall(r"--(?:dashboard-)?host[ =](\S+)", "\n".join(commands)) == ["127.0.0.1"]
    [port] = re.findall(r"mlflow server --host 127\.0\.0\.1 --port (\d+) ", mlflow)
    assert f"MLFLOW_TRACKING_URI=http://127.0.0.1:{port}\n" in environment
    assert "listen_addresses=''" in mlflow
    assert "0.0.0.0" not in "\n".join([*commands, mlflow])
    assert "security_group" not in config["provider"]  # which could open ports beyond Ray's own


def test_only_holders_of_the_token_give_ray_orders(config: dict[str, Any]) -> None:
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "RAY_AUTH_MODE=token" in (ROOT / "cluster" / "environment.sh").read_text()


@pytest.mark.parametrize("name", [AWS, OWN, *SCRIPTS])
def test_no_secret_and_no_place_of_one_machine_is_in_it(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(
        r"AKIA|aws_(access|secret)|passw(or)?d=|PGPASS|BEGIN .*KEY|account|://\w+:", text, re.IGNORECASE
    )
    assert not re.search(r"[ '\"=](/home|/Users|/root|/tmp)", text)


def test_what_is_shipped_is_the_whole_code(config: dict[str, Any]) -> None:
    """rsync leaves out what .gitignore names: none of it may be code, such as raydensity/data for `data/`."""
    assert config["file_mounts"] == {"~/checkout": ".", "~/data": "data", "~/.ray/auth_token": "~/.ray/auth_token"}
    assert config["rsync_filter"] == [".gitignore"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True).stdout
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"], cwd=ROOT, input=tracked, capture_output=True
    )
    assert ignored.stdout == b""
    assert b"raydensity/data/__init__.py" in tracked
