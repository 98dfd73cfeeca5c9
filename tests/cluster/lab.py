"""Test hosts of our own, in Linux namespaces: each has its own processes, network, home and /tmp, and answers ssh.

    python tests/cluster/lab.py COMMAND [ARGUMENT ...]

runs a command, such as bash, on a machine in front of three of them (10.77.0.1, 10.77.0.2, 10.77.0.3; the user is
USER), and takes all down when it ends. Needs root on Linux, and openssh-server, rsync, iproute2 and util-linux.

Whatever becomes of this process, nothing is left: a host lives as long as one process below this one, and its mounts
and network go with it. Ray must not share a machine with others in tests: `ray stop` kills every Ray that it can see.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
USER, USER_ID = "ray", 2222
NETWORK = "10.77.0"
SECONDS = 30.0  # for a host to answer

# Both scripts run as the first process of new namespaces. Folders of this machine below /tmp, /root and /home disappear
# but for those that are KEPT, under the paths that they have.
PLACES = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/sshd /run/disk /run/kept
mount --bind "$DISK" /run/disk
for path in $KEPT; do mkdir -p "/run/kept$path"; mount --bind "$path" "/run/kept$path"; done
for place in tmp root home; do mkdir -p /run/disk/$place; mount --bind /run/disk/$place /$place; done
chmod 755 /root; chmod 1777 /tmp
for path in $KEPT; do
    mkdir -p "$path"; mount --move "/run/kept$path" "$path"
    case " $WRITABLE " in *" $path "*) ;; *) mount -o remount,bind,ro "$path";; esac
done
ip link set lo up
"""
GATEWAY = (
    PLACES
    + """
ip link add bridge type bridge
ip address add $NETWORK.254/24 dev bridge
ip link set bridge up
touch /run/ready
exec sleep infinity
"""
)
HOST = (
    PLACES
    + """
hostname "$NAME"
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
{ cat /etc/passwd; echo "$USER:*:$USER_ID:$USER_ID::/home/$USER:/bin/bash"; } > /run/passwd
mount --bind /run/passwd /etc/passwd
mkdir -p /home/$USER
cp /etc/skel/.bashrc /home/$USER/
chown -R $USER_ID:$USER_ID /home/$USER
cp /run/disk/authorized_keys /run/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /run/host_key
exec /usr/sbin/sshd -D -e -f /dev/null -h /run/host_key -o ListenAddress=$ADDRESS -o PidFile=none -o UsePAM=no \
    -o PasswordAuthentication=no -o AuthorizedKeysFile=/run/authorized_keys -o AllowUsers=$USER
"""
)


def missing() -> str:
    """What keeps a lab from being made here; nothing where it can be."""
    if not sys.platform.startswith("linux") or os.geteuid():
        return "needs root on Linux"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    tools = ("sshd", "ssh", "ssh-keygen", "rsync", "ip", "unshare", "nsenter", "setpriv")
    if lacking := [tool for tool in tools if not shutil.which(tool, path=path)]:
        return f"needs {', '.join(lacking)}"
    tried = subprocess.run(["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "true"], capture_output=True)
    return tried.stderr.decode().strip()


class Lab:
    """Hosts while its `with` block runs, and a gateway, which is a machine in front of them.

    `folder` gets a folder for each machine: `folder / address` holds the host's `home` and `tmp`. Hosts see the virtual
    environment of this Python, read-only; the gateway sees this checkout and what is `kept`, too.
    """

    def __init__(self, folder: Path, *, hosts: int = 3, kept: Sequence[Path] = ()) -> None:
        self.folder = folder.absolute()
        self.addresses = [f"{NETWORK}.{number}" for number in range(1, hosts + 1)]
        self.key = self.folder / "key"
        self.python = sorted({sys.prefix, sys.base_prefix})
        self.kept = [str(path) for path in (ROOT, *kept)]
        self.machines: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Lab:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        try:
            kept = [Path(each) for each in dict.fromkeys((*self.python, *self.kept, str(self.folder)))]
            # What is within another comes with that: a virtual environment is often within the checkout.
            kept = [each for each in kept if not any(other in each.parents for other in kept)]
            self._start("gateway", ["unshare", "--net", "--mount"], GATEWAY, [*map(str, kept)], DISK="gateway")
            self._wait_for(["test", "-e", "/run/ready"])
            for number, address in enumerate(self.addresses, start=1):
                self.start(address, name=f"host{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines.values():
            machine.kill()
            machine.wait()

    def start(self, address: str, *, name: str) -> None:
        """Start a host with an empty disk, and wait until it answers."""
        self.run(["ip", "netns", "add", name])
        cable = ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name]
        self.run(cable)
        self.run(["ip", "link", "set", name, "master", "bridge", "up"])
        inside = ["ip", "-netns", name]
        self.run([*inside, "address", "add", f"{address}/24", "dev", "eth0"])
        self.run([*inside, "link", "set", "eth0", "up"])
        self.run([*inside, "route", "add", "default", "via", f"{NETWORK}.254"])
        disk = self.folder / address
        disk.mkdir()
        shutil.copy(self.key.with_suffix(".pub"), disk / "authorized_keys")
        command = [*self._inside(), "ip", "netns", "exec", name, "unshare", "--mount", "--uts", "--ipc"]
        command += ["--pid", "--mount-proc"]
        self._start(address, command, HOST, self.python, DISK=address, NAME=name, ADDRESS=address)
        self._wait_for(self.ssh(address, "true"))

    def cut_off(self, address: str) -> None:
        """Take a host away without a farewell: first its cable, then its power."""
        self.run(["ip", "link", "set", f"host{address.rpartition('.')[2]}", "down"])
        self.machines[address].kill()
        self.machines[address].wait()

    def ssh(self, address: str, command: str) -> list[str]:
        """The command line, for `run` and `popen`, of a command on a host."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return ["ssh", "-i", str(self.key), *options, f"{USER}@{address}", command]

    def run(self, command: Sequence[str | Path], **options) -> subprocess.CompletedProcess:
        """Run a command on the gateway, in this checkout. CalledProcessError if it fails."""
        return subprocess.run([*self._inside(), *command], **{"check": True, "env": self.environment()} | options)

    def popen(self, command: Sequence[str | Path], **options) -> subprocess.Popen:
        """Start a command on the gateway, which goes with this process."""
        line = ["setpriv", "--pdeathsig", "KILL", *self._inside(), *command]
        return subprocess.Popen(line, **{"env": self.environment()} | options)

    def environment(self) -> dict[str, str]:
        """That of a user of the gateway, whose home is not ours, with this Python's programs."""
        path = f"{sys.prefix}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY", "MLFLOW", "PYTHON"))}
        return {**kept, "HOME": "/root", "PATH": path, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}

    def _inside(self) -> list[str]:
        namespaces = [
            f"--{kind}=/proc/{self._gateway()}/ns/{name}" for kind, name in (("net", "net"), ("mount", "mnt"))
        ]
        return ["nsenter", *namespaces, "env", "-C", str(ROOT)]  # entering changes the folder

    def _gateway(self) -> str:
        process = self.machines["gateway"].pid
        return Path(f"/proc/{process}/task/{process}/children").read_text().strip()

    def _start(self, name: str, namespaces: list[str], script: str, kept: list[str], *, DISK: str, **values) -> None:
        (self.folder / DISK).mkdir(exist_ok=True)
        values |= {"DISK": str(self.folder / DISK), "KEPT": " ".join(kept), "WRITABLE": str(self.folder)}
        values |= {"NETWORK": NETWORK, "USER": USER, "USER_ID": str(USER_ID)}
        # The namespaces' first process dies with its parent, that one with us, and all else with the first.
        command = ["setpriv", "--pdeathsig", "KILL", *namespaces, "--fork", "--kill-child"]
        with (self.folder / f"{name}.log").open("w") as log:
            self.machines[name] = subprocess.Popen(
                [*command, "bash", "-c", script],
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **values},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_for(self, command: list[str]) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            for name, machine in self.machines.items():
                if machine.poll() is not None:
                    raise RuntimeError(f"{name} did not start: {(self.folder / f'{name}.log').read_text().strip()}")
            # Until its first process runs there is nothing to enter.
            if self._gateway() and not self.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer in {SECONDS:g} s to: {' '.join(command)}")
            time.sleep(0.2)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if reason := missing():
        sys.exit(f"error: {reason}")
    with tempfile.TemporaryDirectory(prefix="lab-") as place, Lab(Path(place)) as lab:
        print(f"hosts: {', '.join(lab.addresses)}; the key is {lab.key}; their disks: {place}", file=sys.stderr)
        code = lab.run(sys.argv[1:], check=False).returncode
    sys.exit(code)
