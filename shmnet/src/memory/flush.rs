//! Cache maintenance by address: the instructions that send a line to memory, or drop it from the caches, and the fences
//! around them.
//!
//! # x86_64
//!
//! `clwb` writes a line back and may keep it; `clflushopt` and `clflush` write it back and drop it. What the manuals of Intel
//! (volume 2, at the instructions; volume 3, 9.2.5) and AMD (volume 3, at the instructions) promise about their order is little:
//!
//! * `clwb` and `clflushopt` are ordered after older stores to the same line, and by `sfence`, `mfence` and locked
//!   instructions. They pass all else, one another too.
//! * Loads may be satisfied early, and lines fetched, on either side of any of them, except across `mfence`; that is the only
//!   fence which both manuals name for it (`sfence` orders no loads, `lfence` no flushes on AMD).
//!
//! Hence the two fences here. *After lines were written back*: `sfence`, so that they are in memory before anything that is
//! stored later can get there. *Around dropping lines*: `mfence` behind, so that no later load is satisfied from a line that was
//! still to be dropped; and `mfence` in front, so that the load that said "the line has changed" is done before the line is dropped:
//! else the line could be dropped, fetched again stale, and only then be said to have changed.
//!
//! # aarch64
//!
//! `dc cvac` cleans a line to the point of coherency, `dc civac` cleans and invalidates it. Both are complete, for every
//! observer, only after a `dsb`; `sy`, since the other nodes are in no shareability domain of ours.

#![allow(unsafe_code)]

/// The lines that caches hold, in bytes: what is assumed where the processor does not tell. A smaller line would be missed, a
/// larger one is only done twice.
const CACHE_LINE: usize = 64;

/// The instructions of this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flusher {
    write_back: Instruction,
    drop: Instruction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instruction {
    #[cfg(target_arch = "x86_64")]
    Clwb,
    #[cfg(target_arch = "x86_64")]
    Clflushopt,
    #[cfg(target_arch = "x86_64")]
    Clflush,
    #[cfg(target_arch = "aarch64")]
    Cvac,
    #[cfg(target_arch = "aarch64")]
    Civac,
}

impl Flusher {
    /// `None` on a processor that has no such instructions for programs, or none that are known here.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn detect() -> Option<Self> {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        let highest = __cpuid(0).eax;
        let basic = __cpuid(1);
        // CLFSH, and the size of its line in units of 8 bytes.
        if basic.edx >> 19 & 1 == 0 || (basic.ebx >> 8 & 0xff) as usize * 8 < CACHE_LINE {
            return None;
        }
        let extended = if highest >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
        let has = |bit: u32| extended >> bit & 1 == 1;
        let drop = if has(23) { Instruction::Clflushopt } else { Instruction::Clflush };
        let write_back = if has(24) { Instruction::Clwb } else { drop };
        Some(Self { write_back, drop })
    }

    #[cfg(target_arch = "aarch64")]
    #[allow(clippy::unnecessary_wraps, reason = "other processors have none")]
    pub(super) fn detect() -> Option<Self> {
        let types: u64;
        // SAFETY: Linux lets programs read the cache type register, or reads it for them.
        unsafe {
            std::arch::asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags))
        };
        // DminLine: the smallest line of all data caches, as a power of two of words of 4 bytes.
        let smallest = 4usize << (types >> 16 & 0xf);
        (smallest >= CACHE_LINE).then_some(Self { write_back: Instruction::Cvac, drop: Instruction::Civac })
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn detect() -> Option<Self> {
        None
    }

    /// Sends the lines of `len` bytes at `at` to memory.
    ///
    /// # Safety
    /// The bytes must be mapped.
    #[inline]
    pub(super) unsafe fn write_back(self, at: *const u8, len: usize) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { each_line(self.write_back, at, len) };
    }

    /// Drops the lines of `len` bytes at `at` from the caches, after sending to memory what was stored there.
    ///
    /// # Safety
    /// The bytes must be mapped.
    #[inline]
    pub(super) unsafe fn drop(self, at: *const u8, len: usize) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { each_line(self.drop, at, len) };
    }
}

/// # Safety
/// The bytes must be mapped.
#[inline]
unsafe fn each_line(instruction: Instruction, at: *const u8, len: usize) {
    if len == 0 {
        return;
    }
    let before = at.addr() % CACHE_LINE;
    let first = at.wrapping_sub(before);
    for offset in (0..before + len).step_by(CACHE_LINE) {
        // SAFETY: the line holds at least one byte of the range, and a page that holds one byte of a line holds it all.
        unsafe { maintain(instruction, first.wrapping_add(offset)) };
    }
}

/// # Safety
/// The line must be mapped.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn maintain(instruction: Instruction, line: *const u8) {
    use std::arch::asm;
    // SAFETY: the caller vouches for the line; the instruction was found to exist. The statements may be taken to write any
    // memory (no `nomem`), so that the compiler moves no access across them.
    unsafe {
        match instruction {
            Instruction::Clwb => asm!("clwb [{}]", in(reg) line, options(nostack, preserves_flags)),
            Instruction::Clflushopt => {
                asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags))
            }
            Instruction::Clflush => asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags)),
        }
    }
}

/// # Safety
/// The line must be mapped.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn maintain(instruction: Instruction, line: *const u8) {
    use std::arch::asm;
    // SAFETY: the caller vouches for the line; Linux permits both to programs. The statements may be taken to write any
    // memory (no `nomem`), so that the compiler moves no access across them.
    unsafe {
        match instruction {
            Instruction::Cvac => asm!("dc cvac, {}", in(reg) line, options(nostack, preserves_flags)),
            Instruction::Civac => asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)),
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn maintain(instruction: Instruction, _line: *const u8) {
    match instruction {}
}

/// What was written back is in memory before anything that is stored from here on.
#[inline(always)]
pub(super) fn write_back_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has the instruction.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
    #[cfg(target_arch = "aarch64")]
    data_barrier();
}

/// Loads from here on find nothing that was dropped before; what is dropped from here on is dropped after all loads before.
#[inline(always)]
pub(super) fn drop_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has the instruction.
    unsafe {
        std::arch::x86_64::_mm_mfence();
    }
    #[cfg(target_arch = "aarch64")]
    data_barrier();
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn data_barrier() {
    // SAFETY: a barrier has no operands and no effect but order.
    unsafe { std::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
}
