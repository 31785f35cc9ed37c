//! Keeps the kernel from acting on frames that a packet port takes.
//!
//! The port sees every frame of the NIC, and so does the kernel. Its local table holds the common address (on
//! `gsm0`), so without a guard it answers a second time, or answers ARP there. The guard is a program at the
//! NIC's TCX hook that drops what comes in, after the taps of `AF_PACKET` and before the kernel's protocols;
//! frames of VLANs pass, since they belong to other interfaces. It is attached by a link whose descriptor
//! this process holds: whatever ends the process takes the guard away. Where the kernel cannot do that (before
//! 6.6, or without `CAP_BPF`), the NIC's settings are changed instead, and set back at the end.
//!
//! A NIC on which the kernel has addresses of its own is left alone: the guard would cut the host off from whoever
//! reaches it there, such as the operator.

use std::os::fd::OwnedFd;

use ipnet::Ipv4Net;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use super::KernelError;
use super::settings::{Changed, change};
use crate::port::sys_bpf;

/// How a guard works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardKind {
    /// A program at the NIC's TCX hook: the kernel sees nothing.
    Tcx,
    /// `rp_filter` and `arp_ignore`: the kernel sees all, and answers nothing for addresses of other interfaces.
    Settings,
    /// None: the kernel has addresses of its own on the NIC, and keeps its frames.
    None,
}

impl GuardKind {
    /// The word for it in logs and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Settings => "settings",
            Self::None => "none",
        }
    }
}

/// Guards one NIC for as long as it exists.
#[derive(Debug)]
pub struct Guard {
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// Closing the link detaches the program.
    Tcx {
        _link: OwnedFd,
    },
    Settings([Changed; 2]),
    Nothing,
}

impl Guard {
    /// Guards the NIC `name`, unless the kernel has `addresses` on it; logs which.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn unless_used(name: &str, addresses: &[Ipv4Net]) -> Result<Self, KernelError> {
        if addresses.is_empty() {
            return Self::attach(name);
        }
        let addresses = addresses.iter().map(Ipv4Net::to_string).collect::<Vec<_>>().join(", ");
        tracing::warn!(
            interface = name,
            guard = GuardKind::None.label(),
            addresses,
            "the kernel has addresses of its own on this NIC, so it keeps the NIC's frames and may answer or forward \
             them beside the router: remove the addresses, or give the router another NIC"
        );
        Ok(Self { hold: Hold::Nothing })
    }

    /// Guards the NIC `name` in the best way that works here, and logs which.
    ///
    /// # Errors
    /// There is no such NIC, or no way works; then nothing is changed.
    pub fn attach(name: &str) -> Result<Self, KernelError> {
        let index = index_of(name)?;
        match sys_bpf::drop_ingress(index) {
            Ok(link) => {
                tracing::info!(
                    interface = name,
                    guard = GuardKind::Tcx.label(),
                    "the kernel sees no frames of the NIC"
                );
                Ok(Self { hold: Hold::Tcx { _link: link } })
            }
            Err(error) => {
                let guard = Self::by_settings(name)?;
                tracing::warn!(
                    interface = name,
                    guard = GuardKind::Settings.label(),
                    %error,
                    "no TCX program could be attached: strict rp_filter and arp_ignore guard the NIC"
                );
                Ok(guard)
            }
        }
    }

    /// Guards the NIC `name` by its settings, whatever else would work.
    ///
    /// # Errors
    /// There is no such NIC, or its settings cannot be changed.
    pub fn by_settings(name: &str) -> Result<Self, KernelError> {
        index_of(name)?;
        let refused = KernelError::system("guard a NIC");
        let rp_filter = change(name, "rp_filter", 1).map_err(&refused)?;
        match change(name, "arp_ignore", 1) {
            Ok(arp_ignore) => Ok(Self { hold: Hold::Settings([rp_filter, arp_ignore]) }),
            Err(error) => {
                rp_filter.undo();
                Err(refused(error))
            }
        }
    }

    /// How it works.
    pub fn kind(&self) -> GuardKind {
        match &self.hold {
            Hold::Tcx { .. } => GuardKind::Tcx,
            Hold::Settings(_) => GuardKind::Settings,
            Hold::Nothing => GuardKind::None,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Hold::Settings(changed) = &self.hold {
            changed.iter().rev().for_each(Changed::undo);
        }
    }
}

fn index_of(name: &str) -> Result<u32, KernelError> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| KernelError::system("open a socket")(errno.into()))?;
    netdevice::name_to_index(&socket, name)
        .map_err(|_| KernelError::UnknownInterface { name: name.to_owned() })
}
