"""The guest's disk: a small Debian with systemd and pure cgroup v2, made once and kept in `.cache/`.

The disk knows nothing of Corral. It mounts the second disk (the *payload*, see payload.py); at the end of its boot it
runs the `run` script found there with the serial console as its output, and then powers itself off.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support import debian

PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "iproute2",
    "iptables",
    "nftables",
    "e2fsprogs",
    "linux-image-cloud-amd64",
    "python3",
    "busybox-static",
    "conmon",
    "crun",
    "runc",
    "tini",
    "nfs-kernel-server",
    "systemd-resolved",
)
SIZE = "3G"

PAYLOAD_UNIT = """\
[Unit]
Description=Run the payload of the second disk, then power off
After=multi-user.target
RequiresMountsFor=/opt

[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh /opt/run
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""

# Where the machine has little of a processor for itself, starting takes long; systemd gives up after 90 s otherwise.
SYSTEM = """\
[Manager]
DefaultTimeoutStartSec=900
DefaultDeviceTimeoutSec=900
"""

# Nobody is there to press a key: what went wrong is told, and the machine ends.
EMERGENCY = """\
[Service]
ExecStartPre=
ExecStart=
ExecStart=-/bin/sh -c 'journalctl -b -p notice --no-pager -n 60; systemctl --failed --no-pager'
ExecStopPost=
ExecStopPost=/bin/systemctl --force poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
"""

# What tests start themselves. At every boot it would cost time, and make this a host of another kind for all others.
WAITING = (
    "nfs-blkmap.service",
    "nfs-client.target",
    "nfs-server.service",
    "rpc-statd-notify.service",
    "rpcbind.service",
    "rpcbind.socket",
    "systemd-resolved.service",
)

# What would only cost time in a machine that lives for minutes.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "motd-news.timer",
    "serial-getty@ttyS0.service",
    "systemd-networkd-wait-online.service",
    "systemd-random-seed.service",
    "systemd-update-utmp.service",
)


def cache_key() -> str:
    """The name of the image that this recipe makes: it changes when anything that goes in does. Pure."""
    recipe = "\n".join((debian.SUITE, SIZE, PAYLOAD_UNIT, SYSTEM, EMERGENCY, *PACKAGES, *WAITING, *MASKED, CUSTOMIZE))
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


CUSTOMIZE = r"""
set -eu
root="$1"
echo corral-guest > "$root/etc/hostname"
printf '127.0.0.1 localhost corral-guest\n::1 localhost\n' > "$root/etc/hosts"
echo '/dev/vdb /opt ext4 ro 0 0' > "$root/etc/fstab"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/opt"
ln -sf ../payload.service "$root/etc/systemd/system/multi-user.target.wants/payload.service"
cd "$root"
rm -f etc/resolv.conf  # a link, where systemd-resolved is installed
echo 'nameserver 192.0.2.53' > etc/resolv.conf  # nobody's
rm -rf usr/share/doc usr/share/man usr/share/locale var/cache/apt var/lib/apt/lists
"""


def _customize(root: Path) -> None:
    subprocess.run(["sh", "-c", CUSTOMIZE, "customize", str(root)], check=True)
    units = root / "etc/systemd/system"
    (units / "payload.service").write_text(PAYLOAD_UNIT)
    for place, text in (("system.conf.d/patience.conf", SYSTEM), ("system/emergency.service.d/told.conf", EMERGENCY)):
        (root / "etc/systemd" / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "etc/systemd" / place).write_text(text)
    for folder in units.glob("*.*"):  # of who wants what; a glob for the links would not see where these lead
        for unit in WAITING if folder.is_dir() else ():
            (folder / unit).unlink(missing_ok=True)
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")


def _boot_file(root: Path, prefix: str) -> Path:
    return next(path for path in sorted((root / "boot").iterdir()) if path.name.startswith(prefix))


def guest_image(cache: Path) -> Path:
    """The folder with `disk.img`, `vmlinuz` and `initrd`; made at the first call (about a minute)."""
    done = cache / f"guest-{cache_key()}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    # Beside the final place, so that the last step is one atomic rename; a killed run leaves only a work folder.
    work = Path(tempfile.mkdtemp(prefix="guest-work-", dir=cache))
    try:
        root = work / "root"
        debian.extended(root, PACKAGES)
        _customize(root)
        made = work / "made"
        made.mkdir()
        shutil.copyfile(_boot_file(root, "vmlinuz-"), made / "vmlinuz")
        shutil.copyfile(_boot_file(root, "initrd.img-"), made / "initrd")
        make_disk(root, made / "disk.img", SIZE)
        for old in cache.glob("guest-" + "[0-9a-f]" * 16):  # of another recipe, and half a gigabyte
            shutil.rmtree(old, ignore_errors=True)
        os.rename(made, done)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return done


def make_disk(tree: Path, disk: Path, size: str) -> None:
    """An ext4 file system of `size` (as mkfs takes it, sparse) that holds a copy of `tree`."""
    options = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    command = ["mkfs.ext4", "-q", "-F", "-O", "^metadata_csum", "-E", options, "-d", str(tree), str(disk), size]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
