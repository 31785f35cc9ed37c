//! Two virtual machines with one nvdimm, whose memory each has as a character device (`/dev/dax0.0`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use isthmus_tests::lab::{self, Peer, Protection, wait};

use super::cluster::{Device, Rack, await_ping, await_pong};
use super::{Image, PATIENCE};

/// As the machines' QEMU is told.
const LEN: u64 = 128 << 20;

/// Where the device's memory begins: what is in front says that it is one.
const BEGIN: u64 = 2 << 20;

/// Writes what makes an nvdimm a DAX device, as `ndctl create-namespace --mode=devdax --map=mem` would in a machine: the kernel's `struct
/// nd_pfn_sb`, at 4096. So all machines find it there, and none has to be first.
fn make_devdax(path: &Path) {
    let mut block = [0_u8; 4096];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"NVDIMM_DAX_INFO\0");
    // A UUID of its own; that of the parent is zero, for a namespace without labels.
    put(16, &[0x49, 0x53, 0x54, 0x48, 0x4d, 0x55, 0x40, 0x53, 0x80, 0, 0, 0, 0, 0, 0, 1]);
    put(52, &1_u16.to_le_bytes());
    put(54, &4_u16.to_le_bytes());
    put(56, &BEGIN.to_le_bytes());
    put(64, &((LEN - BEGIN) / 4096).to_le_bytes());
    // The kernel's notes about the pages are in ordinary memory.
    put(72, &1_u32.to_le_bytes());
    put(84, &(2_u32 << 20).to_le_bytes());
    put(88, &4096_u32.to_le_bytes());
    put(92, &64_u16.to_le_bytes());
    let sum = fletcher64(&block);
    block[4088..].copy_from_slice(&sum.to_le_bytes());
    let file = File::create_new(path).unwrap();
    file.set_len(LEN).unwrap();
    file.write_all_at(&block, 4096).unwrap();
}

/// As the kernel's `nd_fletcher64`.
fn fletcher64(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    let (low, high) = words.fold((0_u32, 0_u64), |(low, high), word| {
        let low = low.wrapping_add(word);
        (low, high.wrapping_add(low.into()))
    });
    high << 32 | u64::from(low)
}

/// Input: two machines with one nvdimm in mode devdax, the first of them with a NIC toward FRR. Output: they meet on `/dev/dax0.0`, and
/// ping each other and a host behind FRR; one QEMU is killed and comes back as its next incarnation.
#[test]
fn machines_are_one_cluster_over_a_dax_device() {
    lab::run("vm-devdax", |lab| {
        let image = Image::build();
        let (namespace, outside) = super::place(lab);
        outside.router.configure(&["interface core", "ip ospf dead-interval 40"]);
        let memory = lab.segment().join("region");
        make_devdax(&memory);
        let protection = Protection::new(lab, &["10.77.3.1", "10.77.3.2"]);
        let rack = Rack { lab, namespace, image, protection, memory, device: Device::Nvdimm };
        let first = rack.start(1);
        let second = rack.start(2);
        for machine in [&first, &second] {
            machine.await_console("ready: ");
        }
        outside.router.await_full("10.77.0.1");
        outside.router.await_route("10.77.0.0/24");
        await_pong(&outside.host, "10.77.0.2");
        await_ping(&rack, &outside.host, 2, "10.77.0.1");
        await_ping(&rack, &outside.host, 2, &outside.host_address);
        let shown = rack.in_band(&outside.host, 2, &["show", "shm", "nodes"]).unwrap();
        assert!(shown.contains("/dev/dax0.0 (dax)"), "{shown}");

        second.qemu.kill();
        await_nodes(&rack, &outside.host, "active: 1\n");
        let again = rack.start(2);
        again.await_console("ready: ");
        await_nodes(&rack, &outside.host, "active: 1, 2\n");
        await_ping(&rack, &outside.host, 2, &outside.host_address);
        for machine in [&first, &again] {
            assert!(!machine.console().contains("panicked"), "{}", machine.console());
        }
    });
}

fn await_nodes(rack: &Rack<'_>, from: &lab::Namespace, active: &str) {
    wait(active, PATIENCE, || {
        let shown = rack.in_band(from, 1, &["show", "shm", "nodes"])?;
        if shown.contains(active) { Ok(()) } else { Err(shown) }
    });
}
