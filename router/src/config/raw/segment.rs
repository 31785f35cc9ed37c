//! The long form of `segment`: which facility the shared memory comes from, with the keys of each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Serialize};

use super::{RawInherited, RawReflected, RawReflectedFacility, RawSegment, reflected};

/// Where the shared memory comes from, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawMemory {
    /// What kind of memory it is.
    pub facility: RawFacility,
    /// The directory, file or DAX device. For the facility `memfd` the directory of its sockets, on any file system; by default
    /// `/dev/shm/isthmus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For the facility `memfd`: the huge pages that this node's memory is made of, from the kernel's pool of that size
    /// (`vm.nr_hugepages`). Each node may choose for itself. Default: ordinary pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages: Option<RawHugePages>,
    /// Length of the file in MiB, for the facilities `single-file` and `dax`: the first node makes it. Without it the file must
    /// be there. It is divided among `fabric.max-nodes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1048576))]
    pub size: Option<i64>,
    /// For the facility `single-file`: nodes run on other kernels too, such as virtual machines to which the file is a
    /// PCI device. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_kernels: Option<bool>,
    /// For the facility `pci`: address of the ivshmem device, such as `0000:00:04.0`. Default: the only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether the processors of all nodes keep their caches coherent on the memory. Default: `flush` for the facility `dax`, `hardware` for
    /// the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coherence: Option<RawCoherence>,
    /// The longest time between two looks of a node that sleeps, in microseconds, where nothing but the memory can wake it: what it
    /// saves of the processor, frames wait for. Default: 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 1000000))]
    pub longest_pause: Option<i64>,
}

/// A kind of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawFacility {
    /// A directory with a file for each node, which only that node writes: on tmpfs, or on hugetlbfs.
    File,
    /// A sealed memory file of each node, which the nodes pass to each other over sockets: no peer can write it or cut it
    /// short. All nodes on one host.
    Memfd,
    /// One file for all nodes.
    SingleFile,
    /// The memory of an ivshmem device, in a virtual machine.
    Pci,
    /// A DAX device, or a file in its place.
    Dax,
}

/// The size of huge pages; a kernel has some of them, on x86 2 MiB and 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RawHugePages {
    /// 64 KiB.
    #[serde(rename = "64K")]
    Of64K,
    /// 2 MiB.
    #[serde(rename = "2M")]
    Of2M,
    /// 32 MiB.
    #[serde(rename = "32M")]
    Of32M,
    /// 512 MiB.
    #[serde(rename = "512M")]
    Of512M,
    /// 1 GiB.
    #[serde(rename = "1G")]
    Of1G,
}

impl RawHugePages {
    /// Bytes of one page.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Of64K => 64 << 10,
            Self::Of2M => 2 << 20,
            Self::Of32M => 32 << 20,
            Self::Of512M => 512 << 20,
            Self::Of1G => 1 << 30,
        }
    }
}

/// Whether caches are coherent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawCoherence {
    /// They are, as on one host.
    Hardware,
    /// They are not: lines are written back and invalidated.
    Flush,
}

/// How soon a silent node is noticed, in milliseconds. Memory that is carried between hosts has longer defaults: each heartbeat is a packet
/// there, and a process that ends hangs up besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawTiming {
    /// Between two heartbeats. Default: 10, and 50 for the facility `distributed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub heartbeat: Option<i64>,
    /// Silence after which flows are steered away from a node, until it beats again. Default: 20, and 100 for the facility `distributed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 59999))]
    pub suspect: Option<i64>,
    /// Silence after which a node counts as dead. More where a node may be kept from running for long, as virtual machines on a
    /// busy host are. Default: 100, and 500 for the facility `distributed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 60000))]
    pub failed: Option<i64>,
}

/// All mapping forms of `segment`, with their own errors where an untagged enum would say nothing.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Mapping {
    inherited: Option<RawInherited>,
    facility: Option<AnyFacility>,
    path: Option<String>,
    huge_pages: Option<RawHugePages>,
    size: Option<i64>,
    other_kernels: Option<bool>,
    address: Option<String>,
    coherence: Option<RawCoherence>,
    longest_pause: Option<i64>,
    provider: Option<String>,
    listen: Option<String>,
    peers: Option<BTreeMap<String, String>>,
    window: Option<i64>,
}

/// Every word that `facility` takes.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AnyFacility {
    File,
    Memfd,
    SingleFile,
    Pci,
    Dax,
    Distributed,
}

impl Mapping {
    pub(super) fn into_segment<E: Error>(self) -> Result<RawSegment, E> {
        let carried =
            self.provider.is_some() || self.listen.is_some() || self.peers.is_some() || self.window.is_some();
        let mapped = self.path.is_some()
            || self.huge_pages.is_some()
            || self.size.is_some()
            || self.other_kernels.is_some()
            || self.address.is_some()
            || self.coherence.is_some()
            || self.longest_pause.is_some();
        let facility = match (self.facility, self.inherited) {
            (None, Some(inherited)) if !carried && !mapped => return Ok(RawSegment::Inherited { inherited }),
            (_, Some(_)) => return Err(E::custom("`inherited` takes no other key")),
            (None, None) => return Err(E::missing_field("facility")),
            (Some(facility), None) => facility,
        };
        let facility = match facility {
            AnyFacility::File => RawFacility::File,
            AnyFacility::Memfd => RawFacility::Memfd,
            AnyFacility::SingleFile => RawFacility::SingleFile,
            AnyFacility::Pci => RawFacility::Pci,
            AnyFacility::Dax => RawFacility::Dax,
            AnyFacility::Distributed if mapped => {
                return Err(E::custom(
                    "the facility `distributed` takes `provider`, `listen`, `peers` and `window`",
                ));
            }
            AnyFacility::Distributed => {
                return Ok(RawSegment::Reflected(RawReflected {
                    facility: RawReflectedFacility::Distributed,
                    provider: self.provider.unwrap_or_else(reflected::tcp),
                    listen: self.listen.ok_or_else(|| E::missing_field("listen"))?,
                    peers: self.peers.ok_or_else(|| E::missing_field("peers"))?,
                    window: self.window.unwrap_or_else(reflected::window),
                }));
            }
        };
        if carried {
            return Err(E::custom(
                "`provider`, `listen`, `peers` and `window` are for the facility `distributed`",
            ));
        }
        Ok(RawSegment::Memory(RawMemory {
            facility,
            path: self.path,
            huge_pages: self.huge_pages,
            size: self.size,
            other_kernels: self.other_kernels,
            address: self.address,
            coherence: self.coherence,
            longest_pause: self.longest_pause,
        }))
    }
}
