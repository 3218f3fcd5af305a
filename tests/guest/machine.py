"""The virtual machine itself: QEMU in software emulation, its serial console read as lines.

KVM is not used unless asked for (CORRAL_GUEST_ACCEL=kvm): many build machines show /dev/kvm and boot nothing with it.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONSOLE = "console=ttyS0 root=/dev/vda rw quiet loglevel=3 mitigations=off systemd.show_status=0 audit=0 nowatchdog"


def command(kernel: Path, disk: Path, payload: Path, *, boot: int, accel: str, memory_mb: int) -> list[str]:
    """QEMU's argument vector. Pure. `kernel` is the folder of vmlinuz and initrd; what is written to `disk` stays."""
    accel_options = "tcg,thread=multi,tb-size=512" if accel == "tcg" else accel
    return [
        "qemu-system-x86_64",
        *("-M", "q35", "-accel", accel_options, "-cpu", "max" if accel == "tcg" else "host"),
        *("-smp", "2", "-m", str(memory_mb), "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"),
        *("-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd")),
        *("-append", f"{CONSOLE} corral.boot={boot}"),
        *("-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"),
        *("-drive", f"file={payload},if=virtio,format=raw,cache=unsafe,read-only=on"),
        *("-device", "virtio-rng-pci"),
    ]


def run(kernel: Path, disk: Path, payload: Path, *, boot: int, silence: float, memory_mb: int = 3072) -> Iterator[str]:
    """Boot for the `boot`th time, yield the console's lines as they come, and end with the machine.

    How long all of it takes says more of the host's load than of the guest: what hangs is what says nothing.

    :raises TimeoutError: it said nothing for `silence` seconds; it is ended then.
    """
    accel = os.environ.get("CORRAL_GUEST_ACCEL", "tcg")
    argv = command(kernel, disk, payload, boot=boot, accel=accel, memory_mb=memory_mb)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
        assert qemu.stdout is not None
        try:
            yield from _lines(qemu.stdout.fileno(), silence)
        finally:
            qemu.kill()


def _lines(fd: int, silence: float) -> Iterator[str]:
    pending = b""
    while True:
        if not select.select([fd], [], [], silence)[0]:
            raise TimeoutError(f"the guest runs, but has said nothing for {silence:g} s")
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        yield from (line.rstrip(b"\r").decode(errors="replace") for line in lines)
    if pending:
        yield pending.decode(errors="replace")
