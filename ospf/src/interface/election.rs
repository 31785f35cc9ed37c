//! The election of the designated router and its backup (RFC 2328 section 9.4), as a function of what the routers of a
//! network have declared.

use std::net::Ipv4Addr;

use crate::types::RouterId;

/// The designated router and its backup, by address; 0.0.0.0 is nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Elected {
    pub(super) designated: Ipv4Addr,
    pub(super) backup: Ipv4Addr,
}

impl Elected {
    /// Whether an address has the one role, and whether it has the other.
    fn roles_of(self, address: Ipv4Addr) -> (bool, bool) {
        (self.designated == address, self.backup == address)
    }
}

/// A router that both ways of communication are established with, this one included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) router: RouterId,
    pub(super) address: Ipv4Addr,
    /// 0 is not eligible.
    pub(super) priority: u8,
    /// What it says in its hellos.
    pub(super) declares: Elected,
}

impl Candidate {
    fn rank(&self) -> (u8, RouterId) {
        (self.priority, self.router)
    }

    fn declares_designated(&self) -> bool {
        self.declares.designated == self.address
    }

    fn declares_backup(&self) -> bool {
        self.declares.backup == self.address
    }
}

/// Elects among this router, which declares what was elected last, and the others.
pub(super) fn elect(own: Candidate, others: &[Candidate]) -> Elected {
    let elected = round(own, others);
    if elected.roles_of(own.address) == own.declares.roles_of(own.address) {
        return elected;
    }
    // Step 4: this router has got or lost a role, which counts in the second round: who is designated router is no
    // backup.
    round(Candidate { declares: elected, ..own }, others)
}

/// Steps 2 and 3.
fn round(own: Candidate, others: &[Candidate]) -> Elected {
    let eligible = || std::iter::once(&own).chain(others).filter(|candidate| candidate.priority > 0);
    let address = |candidate: Option<&Candidate>| candidate.map(|candidate| candidate.address);

    let may_be_backup = || eligible().filter(|candidate| !candidate.declares_designated());
    let declared = may_be_backup().filter(|candidate| candidate.declares_backup());
    let backup = declared.max_by_key(|candidate| candidate.rank());
    let backup = address(backup.or_else(|| may_be_backup().max_by_key(|candidate| candidate.rank())));

    let declared = eligible().filter(|candidate| candidate.declares_designated());
    let designated = address(declared.max_by_key(|candidate| candidate.rank()));

    Elected {
        designated: designated.or(backup).unwrap_or(Ipv4Addr::UNSPECIFIED),
        backup: backup.unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> Ipv4Addr {
        if n == 0 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(192, 0, 2, n) }
    }

    /// The router at address n, whose router id is n, too.
    fn router(n: u8, priority: u8, designated: u8, backup: u8) -> Candidate {
        let declares = Elected { designated: at(designated), backup: at(backup) };
        Candidate { router: RouterId(Ipv4Addr::new(10, 0, 0, n)), address: at(n), priority, declares }
    }

    fn elected(own: Candidate, others: &[Candidate]) -> (u8, u8) {
        let elected = elect(own, others);
        (elected.designated.octets()[3], elected.backup.octets()[3])
    }

    #[test]
    fn the_highest_priority_wins_then_the_highest_router_id() {
        // Nobody has declared anything: the best one becomes backup, then moves up, and the next becomes backup.
        assert_eq!(elected(router(3, 1, 0, 0), &[router(1, 1, 0, 0), router(2, 1, 0, 0)]), (3, 2));
        assert_eq!(elected(router(3, 1, 0, 0), &[router(1, 9, 0, 0), router(2, 5, 0, 0)]), (1, 1));
        assert_eq!(elected(router(1, 9, 0, 0), &[router(2, 5, 0, 0), router(3, 1, 0, 0)]), (1, 2));
    }

    #[test]
    fn a_router_alone_is_designated_and_has_no_backup() {
        assert_eq!(elected(router(1, 1, 0, 0), &[]), (1, 0));
    }

    #[test]
    fn whoever_comes_later_does_not_take_over() {
        let others = [router(1, 1, 1, 2), router(2, 1, 1, 2)];
        assert_eq!(elected(router(9, 255, 0, 0), &others), (1, 2));
        // But it does become backup where there is none.
        assert_eq!(elected(router(9, 255, 0, 0), &[router(1, 1, 1, 0)]), (1, 9));
    }

    #[test]
    fn the_backup_moves_up_and_another_backup_is_found() {
        // 1 was designated and is gone. As seen by the backup, and by a third.
        assert_eq!(elected(router(2, 1, 1, 2), &[router(3, 1, 1, 2), router(4, 1, 1, 2)]), (2, 4));
        assert_eq!(elected(router(4, 1, 1, 2), &[router(3, 1, 1, 2), router(2, 1, 1, 2)]), (2, 2));
        // Once 2 says that it is designated, it is no backup any more.
        assert_eq!(elected(router(4, 1, 2, 2), &[router(3, 1, 1, 2), router(2, 1, 2, 0)]), (2, 4));
    }

    #[test]
    fn priority_zero_gets_no_role() {
        assert_eq!(elected(router(9, 0, 0, 0), &[router(1, 0, 0, 0)]), (0, 0));
        assert_eq!(elected(router(9, 0, 0, 0), &[router(1, 1, 0, 0)]), (1, 1));
        // Even if it claims one.
        assert_eq!(elected(router(1, 1, 0, 0), &[router(9, 0, 9, 0)]), (1, 0));
        // And it gives back the one that it has.
        assert_eq!(elected(router(9, 0, 9, 1), &[router(1, 1, 9, 1)]), (1, 1));
    }

    #[test]
    fn of_two_that_claim_to_be_designated_one_gives_up() {
        // Two halves of a network have come together. Both sides reckon the same.
        assert_eq!(elected(router(1, 1, 1, 0), &[router(2, 1, 2, 0)]), (2, 1));
        assert_eq!(elected(router(2, 1, 2, 0), &[router(1, 1, 1, 0)]), (2, 0));
    }
}
