"""Hosts of a lab are apart from each other and from this machine, and nothing of them stays."""

import subprocess
from pathlib import Path

import pytest
from lab import Lab, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"no test hosts can be made here: {missing()}"),
]


def test_hosts_are_machines_of_their_own_and_go_without_a_trace(tmp_path):
    with Lab(tmp_path, hosts=2) as lab:
        one, other = lab.addresses

        def says(address, command):
            return lab.run(lab.ssh(address, command), stdout=subprocess.PIPE, text=True).stdout.split()

        assert says(one, "hostname; whoami") == ["host1", "ray"]
        assert says(one, "ls /home; ls; touch /tmp/mark ~/mark; ls") == ["ray", "mark"]
        assert says(other, "ls ~; test -e /tmp/mark || echo apart") == ["apart"]
        assert len(says(one, "ps -e -o pid=")) < 10  # sshd, and what it was asked for
        assert says(one, f": < /dev/tcp/{other}/22 && echo reached") == ["reached"]
        lab.cut_off(other)
        assert lab.run(["ssh", "-o", "ConnectTimeout=2", *lab.ssh(other, "true")[1:]], check=False).returncode == 255
        processes = [machine.pid for machine in lab.machines.values()]
    left = subprocess.run(["ps", "-o", "pid=", "-p", ",".join(map(str, processes))], capture_output=True, text=True)
    assert left.stdout == ""
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
