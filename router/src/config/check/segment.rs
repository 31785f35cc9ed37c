//! The long form of `segment`, and how soon a silent node is noticed.

use std::time::Duration;

use isthmus_shmnet::{BackOff, CoherenceMode, HugePageSize, Region, Timing};

use super::super::Code;
use super::super::model::SegmentConfig;
use super::super::raw::{RawCoherence, RawFacility, RawMemory, RawTiming};
use super::findings::Findings;
use super::values::shown;

/// The memory, and its coherence.
pub(super) fn memory(findings: &mut Findings, raw: &RawMemory) -> Option<(SegmentConfig, CoherenceMode)> {
    let given = [
        ("path", raw.path.is_some(), raw.facility != RawFacility::Pci),
        ("size", raw.size.is_some(), matches!(raw.facility, RawFacility::SingleFile | RawFacility::Dax)),
        ("other-kernels", raw.other_kernels.is_some(), raw.facility == RawFacility::SingleFile),
        ("address", raw.address.is_some(), raw.facility == RawFacility::Pci),
        ("huge-pages", raw.huge_pages.is_some(), raw.facility == RawFacility::Memfd),
        ("coherence", raw.coherence.is_some(), raw.facility != RawFacility::Memfd),
        (
            "longest-pause",
            raw.longest_pause.is_some(),
            !matches!(raw.facility, RawFacility::File | RawFacility::Memfd),
        ),
    ];
    let mut right = true;
    for (key, _, _) in given.into_iter().filter(|(_, is_given, is_for)| *is_given && !is_for) {
        let reason = format!("the facility `{}` has no `{key}`", name(raw.facility));
        findings.error(
            Code::ConflictingKeys,
            format!("segment.{key}"),
            reason,
            "remove the key, or choose another facility",
        );
        right = false;
    }
    let coherence = match (raw.coherence, raw.facility) {
        (Some(RawCoherence::Flush), _) | (None, RawFacility::Dax) => CoherenceMode::Flush,
        _ => CoherenceMode::Hardware,
    };
    let size = match raw.size {
        Some(size) => Some(findings.number("segment.size", size, 1..=1_048_576_u64, " MiB")? << 20),
        None => None,
    };
    let shortest = BackOff::default().shortest;
    let longest = match raw.longest_pause {
        Some(pause) => Duration::from_micros(findings.number(
            "segment.longest-pause",
            pause,
            50..=1_000_000_u64,
            " us",
        )?),
        None => BackOff::default().longest,
    };
    let region = |region| SegmentConfig::Region(region, BackOff { shortest, longest });
    let segment = match raw.facility {
        RawFacility::File => SegmentConfig::Directory(path(findings, raw)?),
        RawFacility::Memfd => SegmentConfig::SealedMemory {
            directory: if raw.path.is_some() { path(findings, raw)? } else { MEETING_PLACE.into() },
            huge_pages: raw.huge_pages.and_then(|size| HugePageSize::new(size.bytes())),
        },
        RawFacility::SingleFile => region(Region::File {
            path: path(findings, raw)?,
            size,
            other_kernels: raw.other_kernels.unwrap_or(false),
        }),
        RawFacility::Dax => region(Region::Dax { path: path(findings, raw)?, size }),
        RawFacility::Pci => region(Region::Pci { address: address(findings, raw)? }),
    };
    right.then_some((segment, coherence))
}

/// Where nodes with sealed memory meet unless configured.
const MEETING_PLACE: &str = "/dev/shm/isthmus";

fn path(findings: &mut Findings, raw: &RawMemory) -> Option<std::path::PathBuf> {
    let Some(path) = &raw.path else {
        let reason = format!("the facility `{}` needs a `path`", name(raw.facility));
        findings.error(
            Code::MissingKey,
            "segment",
            reason,
            "give the absolute path of the file, directory or device",
        );
        return None;
    };
    findings.absolute_path("segment.path", path)
}

/// `Some(None)`: the only device there is.
fn address(findings: &mut Findings, raw: &RawMemory) -> Option<Option<String>> {
    let Some(address) = &raw.address else { return Some(None) };
    if !is_pci_address(address) {
        let reason = format!("`{}` is not the address of a PCI device", shown(address));
        let remedy = "write it as `lspci -D -d 1af4:1110` does: 0000:00:04.0";
        findings.error(Code::BadName, "segment.address", reason, remedy);
        return None;
    }
    Some(Some(address.to_ascii_lowercase()))
}

/// `0000:00:04.0`: domain, bus, device and function, in hexadecimal digits.
fn is_pci_address(text: &str) -> bool {
    let fields: Vec<&str> = text.split([':', '.']).collect();
    let separators: String = text.chars().filter(|c| matches!(c, ':' | '.')).collect();
    let hexadecimal = |field: &&str| field.chars().all(|c| c.is_ascii_hexdigit());
    separators == "::."
        && fields.iter().map(|field| field.len()).eq([4, 2, 2, 1])
        && fields.iter().all(hexadecimal)
}

/// Heartbeat and timeouts, with the defaults of memory that is carried between hosts or of any other.
pub(super) fn timing(findings: &mut Findings, raw: &RawTiming, carried: bool) -> Option<Timing> {
    let usual = if carried { Timing::between_hosts() } else { Timing::default() };
    let mut time = |key: &str, value: Option<i64>, usual, range| match value {
        Some(value) => {
            findings.number(format!("fabric.timing.{key}"), value, range, " ms").map(Duration::from_millis)
        }
        None => Some(usual),
    };
    let heartbeat = time("heartbeat", raw.heartbeat, usual.heartbeat, 1..=1_000_u64);
    let suspect = time("suspect", raw.suspect, usual.suspect, 2..=59_999_u64);
    let failed = time("failed", raw.failed, usual.failed, 3..=60_000_u64);
    let timing = Timing { heartbeat: heartbeat?, suspect: suspect?, failed: failed? };
    if timing.suspect < timing.heartbeat || timing.failed <= timing.suspect {
        findings.error(
            Code::OutOfRange,
            "fabric.timing",
            format!(
                "a heartbeat of {} ms, suspicion after {} ms and failure after {} ms are not in this order",
                timing.heartbeat.as_millis(),
                timing.suspect.as_millis(),
                timing.failed.as_millis()
            ),
            "let `suspect` be twice the `heartbeat` or more, and `failed` five times `suspect`",
        );
        return None;
    }
    Some(timing)
}

fn name(facility: RawFacility) -> &'static str {
    match facility {
        RawFacility::File => "file",
        RawFacility::Memfd => "memfd",
        RawFacility::SingleFile => "single-file",
        RawFacility::Pci => "pci",
        RawFacility::Dax => "dax",
    }
}
