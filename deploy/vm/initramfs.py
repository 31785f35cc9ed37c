#!/usr/bin/env python3
"""Writes an initramfs with the static binary as its first process and the kernel modules that it loads.

    initramfs.py --binary target/.../isthmus --modules KERNEL/lib/modules/VERSION --output initrd.gz

An archive in the format of `cpio -H newc` (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst),
compressed. The same input makes the same bytes: names are sorted, times are those of --time, owners are root.
"""

import argparse
import gzip
import pathlib
import re
import stat
import sys

# What a node needs of the kernel beyond what is built into it: NICs, disks, TAP devices, the guard of the NICs, file
# systems of configuration disks, the power button, entropy, DAX devices. A kernel that has one of them built in, or not at all, is
# taken as it is.
WANTED = [
    # virtio: QEMU, KVM, most clouds
    "virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "virtio_balloon",
    # other hypervisors and clouds
    "vmxnet3", "e1000", "e1000e", "xen-netfront", "xen-blkfront", "hv_vmbus", "hv_netvsc", "hv_storvsc", "ena", "gve",
    # disks and CD drives on emulated controllers
    "ahci", "ata_piix", "sd_mod", "sr_mod", "nvme",
    # file systems
    "ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "isofs",
    # the router's own: TAP devices, packet sockets, the guard
    "tun", "af_packet", "sch_ingress", "cls_bpf", "act_bpf",
    # the power button
    "button", "evdev",
    # memory of an nvdimm as a DAX device
    "nfit", "nd_pmem", "dax_pmem", "device_dax",
]
REQUIRED = {"virtio_pci", "virtio_net", "virtio_blk", "tun"}

DIRECTORIES = ["dev", "etc", "etc/isthmus", "lib", "lib/modules", "proc", "run", "sys", "tmp", "usr", "usr/bin", "var",
               "var/lib", "var/lib/isthmus"]


class Archive:
    """Collects entries of a newc archive."""

    def __init__(self, time):
        self.time = time
        self.entries = []

    def add(self, name, mode, data=b"", device=(0, 0)):
        inode = len(self.entries) + 1
        links = 2 if stat.S_ISDIR(mode) else 1
        self.entries.append(self._entry(name, mode, data, device, inode, links))

    def _entry(self, name, mode, data, device, inode, links):
        path = name.encode() + b"\0"
        numbers = [inode, mode, 0, 0, links, self.time, len(data), 0, 0, *device, len(path), 0]
        head = b"070701" + b"".join(b"%08X" % number for number in numbers)
        return pad(head + path) + pad(data)

    def bytes(self):
        end = self._entry("TRAILER!!!", 0, b"", (0, 0), 0, 1)
        return b"".join([*self.entries, end])


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def plain(name):
    """A module's name: hyphens and underscores are the same in it."""
    return name.replace("-", "_")


def needs(module):
    """The modules that one names in its `.modinfo`."""
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [plain(name) for name in found.group(1).decode().split(",") if name] if found else []


def in_order(directory):
    """The wanted modules and what they need, each after its needs."""
    files = {plain(path.stem): path for path in sorted(directory.rglob("*.ko"))}
    builtin = directory / "modules.builtin"
    built_in = {plain(pathlib.PurePath(line).stem) for line in builtin.read_text().split()} if builtin.exists() else set()
    missing = {name for name in REQUIRED if name not in files and name not in built_in}
    if missing:
        sys.exit(f"{directory} has no module {', '.join(sorted(missing))}: is it of a kernel for virtual machines?")
    order = []

    def visit(name):
        if name in files and files[name] not in order:
            for need in needs(files[name]):
                visit(need)
            order.append(files[name])

    for name in WANTED:
        visit(plain(name))
    return order


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--modules", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--time", type=int, default=0, help="seconds since 1970 on all entries")
    options = parser.parse_args()

    archive = Archive(options.time)
    for directory in DIRECTORIES:
        archive.add(directory, stat.S_IFDIR | 0o755)
    # The kernel opens it as the first process's input and outputs, before anything is mounted.
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("usr/bin/isthmus", stat.S_IFREG | 0o755, options.binary.read_bytes())
    archive.add("init", stat.S_IFLNK | 0o777, b"/usr/bin/isthmus")
    modules = in_order(options.modules)
    for module in modules:
        archive.add(f"lib/modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes())
    order = "".join(f"/lib/modules/{module.name}\n" for module in modules)
    archive.add("lib/modules/isthmus.order", stat.S_IFREG | 0o644, order.encode())
    options.output.write_bytes(gzip.compress(archive.bytes(), compresslevel=6, mtime=options.time))


if __name__ == "__main__":
    main()
