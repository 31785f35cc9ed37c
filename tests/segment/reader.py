#!/usr/bin/env python3
"""Reads a live segment without joining it, and prints its nodes and rings as `isthmus show shm` does.

    reader.py DIRECTORY_OR_FILE [--json]

Written from docs/architecture/segment.md and rings.md alone, in another language than the router: what it prints is what the
pages say. It maps every arena read-only. Nothing that it reads is trusted.
"""

import argparse
import json
import mmap
import os
import struct
import sys
from pathlib import Path

ABI_VERSION = 4
PAGE = 4096
LINE = 128
# MAP_NORESERVE: nothing is reserved for huge pages that a file does not have.
NO_RESERVE = 0x4000
NETWORKS = ("lsm", "gsm")
STATES = {0: "empty", 1: "joining", 2: "active", 3: "left"}

# Offsets in an arena (segment.md, "The arena").
STATE, HEARTBEAT, LIVENESS, FACTS, CLOSED = 0x200, 0x280, 0x300, 0x800, 0x1000
# A liveness word of a dead node, and the bits of its thread.
OWNER_DIED, THREAD = 1 << 30, (1 << 30) - 1


class NoArena(Exception):
    """The bytes are not those of an arena, or contradict themselves."""


def fnv(data):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class Arena:
    """One node's arena: a range of mapped memory that its owner writes meanwhile."""

    def __init__(self, memory, base, length, path):
        self.memory, self.base, self.length, self.path = memory, base, length, path
        if self.bytes(0, 8) != b"ISTHMUS\0":
            raise NoArena(f"{path}: no arena")
        if self.number("<I", 8) != ABI_VERSION:
            raise NoArena(f"{path}: ABI version {self.number('<I', 8)}")
        if fnv(self.bytes(128, 120)) != self.number("<Q", 248):
            raise NoArena(f"{path}: the geometry does not agree with its hash")
        self.node, self.max_nodes = self.number("<H", 12), self.number("<H", 14)
        self.incarnation = self.number("<Q", 16)
        self.process = self.number("<I", 32)
        self.host = self.bytes(64, 32).split(b"\0")[0].decode(errors="replace")
        words = struct.unpack("<15Q", self.bytes(128, 120))
        self.queues, self.directory, self.pointers = words[1], words[7], words[8]

    def bytes(self, offset, count):
        if offset < 0 or count < 0 or offset + count > self.length:
            raise NoArena(f"{self.path}: {count} bytes at {offset:#x} lie outside")
        return self.memory[self.base + offset : self.base + offset + count]

    def number(self, form, offset):
        return struct.unpack(form, self.bytes(offset, struct.calcsize(form)))[0]

    def guarded(self, offset, count):
        """A record behind a sequence word that is odd while its owner writes."""
        for _ in range(1000):
            before = self.number("<Q", offset)
            record = self.bytes(offset + 8, count)
            if before % 2 == 0 and self.number("<Q", offset) == before:
                return record
        raise NoArena(f"{self.path}: the record at {offset:#x} does not hold still")

    def state(self):
        word = self.number("<Q", STATE)
        return STATES.get(word & 0xFF, "empty"), word >> 8

    def is_held(self):
        word = self.number("<I", LIVENESS)
        return word & OWNER_DIED == 0 and word & THREAD != 0

    def facts(self):
        record = self.guarded(FACTS, 64)
        flags, weight = struct.unpack_from("<IH", record, 12)
        address = [".".join(str(byte) for byte in record[at : at + 4]) for at in (0, 4, 8)]
        return {
            "lsm-address": address[0],
            "gsm-address": address[1],
            "router-id": address[2],
            "role": "abr" if flags & 1 else "internal",
            "healthy": bool(flags & 4),
            "draining": bool(flags & 8),
            "weight": weight,
        }

    def entry(self, node, network, queue):
        """The directory entry of this node's ring to another one."""
        index = ((node - 1) * 2 + network) * self.queues + queue
        return struct.unpack("<QQQQI", self.guarded(self.directory + index * LINE, 36))

    def read_pointer(self, node, network, queue):
        """How far this node has read the ring from another one: the tag of the ring, and the position."""
        index = ((node - 1) * 2 + network) * self.queues + queue
        word = self.number("<Q", self.pointers + index * LINE)
        return word >> 40, word & (1 << 40) - 1


def tag(transmitter, receiver, epoch):
    """What a pointer word carries of a ring's key (rings.md, "A pair ring")."""
    return (transmitter & 0xFF) << 16 | (receiver & 0xFF) << 8 | (epoch % 255 + 1)


def arenas(path):
    """Every arena of a segment: of a directory, or of one file that holds all of them."""
    found = {}
    if path.is_dir():
        for file in sorted(path.glob("node-[0-9][0-9][0-9].arena")):
            memory = mapped(file)
            place(found, memory, 0, len(memory), file)
        return found
    memory = mapped(path)
    stride = None
    for base in range(0, len(memory), PAGE):
        if memory[base : base + 8] == b"ISTHMUS\0":
            first = struct.unpack_from("<HH", memory, base + 12)
            stride = len(memory) // first[1] // PAGE * PAGE
            break
    for base in range(0, len(memory) - (stride or PAGE) + 1, stride or len(memory)):
        place(found, memory, base, stride or len(memory), path)
    return found


def mapped(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED | NO_RESERVE, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)


def place(found, memory, base, length, path):
    try:
        arena = Arena(memory, base, length, path)
        found[arena.node] = arena
    except NoArena as error:
        if memory[base : base + 8] != bytes(8):
            print(error, file=sys.stderr)


def nodes(found):
    """The members: those that say they are active and whose processes live."""
    members = []
    for node, arena in sorted(found.items()):
        state, incarnation = arena.state()
        if state == "active" and arena.is_held():
            members.append({"node-id": node, "state": state, "incarnation": incarnation, **arena.facts()})
    return members


def rings(found, members):
    """The rings between members, both directions of each pair."""
    alive = {member["node-id"]: member["incarnation"] for member in members}
    table = []
    for transmitter in alive:
        for receiver in alive:
            for network, name in enumerate(NETWORKS):
                for queue in range(found[transmitter].queues):
                    ring = ring_of(found, alive, transmitter, receiver, network, queue)
                    if ring:
                        table.append({"network": name, **ring})
    return table


def ring_of(found, alive, transmitter, receiver, network, queue):
    arena = found[transmitter]
    tx, rx, offset, length, epoch = arena.entry(receiver, network, queue)
    if length == 0 or tx != alive[transmitter] or rx != alive[receiver]:
        return None
    header = arena.bytes(offset, 256)
    magic, geometry, *key, checksum = struct.unpack_from("<8sQQQQQ", header)
    if magic != b"ISTHRNG\x01" or key != [tx, rx, epoch] or checksum != fnv(header[:40]):
        raise NoArena(f"{arena.path}: no ring at {offset:#x}")
    slots, buffer = geometry >> 32, geometry & 0xFFFFFFFF
    write = struct.unpack_from("<Q", header, 128)[0] & (1 << 40) - 1
    found_tag, read = found[receiver].read_pointer(transmitter, network, queue)
    read = read if found_tag == tag(tx, rx, epoch) else 0
    return {
        "transmitter": transmitter,
        "receiver": receiver,
        "queue": queue,
        "transmitter-incarnation": tx,
        "receiver-incarnation": rx,
        "epoch": epoch,
        "slots": slots,
        "buffer-size": buffer,
        "write-pointer": write,
        "read-pointer": read,
        "occupancy": max(0, min(write - read, slots)),
    }


def columns(headings, rows):
    table = [headings, *rows]
    widths = [max(len(str(row[column])) for row in table) for column in range(len(headings))]
    for row in table:
        print("  ".join(str(value).ljust(width) for value, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("segment", type=Path, help="a directory of arenas, or one file that holds all of them")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    found = arenas(options.segment)
    members = nodes(found)
    table = rings(found, members)
    if options.json:
        print(json.dumps({"node": members, "ring": table}, indent=2))
        return
    print("active: " + ", ".join(str(member["node-id"]) for member in members) + "\n")
    headings = ["Node", "State", "Incarnation", "Role", "LSM address", "GSM address", "Router ID", "Weight"]
    keys = ["node-id", "state", "incarnation", "role", "lsm-address", "gsm-address", "router-id", "weight"]
    columns(headings, [[member[key] for key in keys] for member in members])
    print()
    headings = ["Network", "Direction", "Queue", "Epoch", "Slots", "Buffer", "Write", "Read", "Occupancy"]
    keys = ["queue", "epoch", "slots", "buffer-size", "write-pointer", "read-pointer", "occupancy"]
    columns(
        headings,
        [[ring["network"], f"{ring['transmitter']} -> {ring['receiver']}", *(ring[key] for key in keys)] for ring in table],
    )


if __name__ == "__main__":
    try:
        main()
    except (OSError, NoArena) as error:
        sys.exit(f"reader.py: {error}")
