//! Taking from the fabric what the kernel's programs have joined on its two devices, as the kernel lists it.
//!
//! Where the list cannot be read, as in a container whose `/proc` is masked, the node takes all groups: more than is wanted, but nothing that
//! is wanted is missing. It looks again, as often as before, since a `/proc` can be mounted later.

use std::path::Path;
use std::time::Duration;

use isthmus_shmnet::{Fabric, MulticastFilter, Network};

use super::fabric::take_groups;
use crate::kernel::multicast::{self, Mac};

/// What is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// What was joined on the LSM's device and on the GSM's.
    Groups([Vec<Mac>; 2]),
    /// Nobody can say.
    All,
}

/// Follows what is joined on the LSM's device and on the GSM's, until it is ended.
pub(super) async fn follow(fabric: Fabric, devices: [String; 2]) {
    let list = Path::new(multicast::LIST);
    follow_list(list, devices, |wanted| match wanted {
        Wanted::Groups([lsm, gsm]) => take_groups(&fabric, [lsm.as_slice(), gsm.as_slice()]),
        Wanted::All => {
            for network in Network::ALL {
                fabric.subscribe(network, MulticastFilter::all());
            }
        }
    })
    .await;
}

/// Calls `take` for each change.
async fn follow_list(list: &Path, devices: [String; 2], mut take: impl FnMut(&Wanted)) {
    let mut taken = None;
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let wanted = match multicast::joined(list) {
            Ok(mut joined) => {
                if taken == Some(Wanted::All) {
                    tracing::info!("the kernel's multicast groups are known again");
                }
                Wanted::Groups(devices.each_ref().map(|device| joined.remove(device).unwrap_or_default()))
            }
            Err(error) => {
                // Once, not each time.
                if taken != Some(Wanted::All) {
                    tracing::warn!(%error, "the kernel's multicast groups are not known: the node takes all");
                }
                Wanted::All
            }
        };
        if taken.as_ref() != Some(&wanted) {
            take(&wanted);
            taken = Some(wanted);
        }
    }
}

/// A program that joins a group waits for so long at most until the fabric brings it.
const LOOK: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const ONE: Mac = [1, 0, 0x5e, 1, 2, 3];

    /// Input: a list that is not there, is there, cannot be read, and can be again. Expected: all groups, the listed ones, all, and the
    /// listed ones: each once.
    #[tokio::test]
    async fn what_is_joined_is_followed_and_all_is_taken_while_it_is_not_known() {
        let directory = std::env::temp_dir().join(format!("isthmus-groups-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let list = directory.join("dev_mcast");
        let (sender, mut taken) = mpsc::unbounded_channel();
        let follower = {
            let list = list.clone();
            tokio::spawn(async move {
                let devices = ["lsm0", "gsm0"].map(str::to_owned);
                follow_list(&list, devices, |wanted| sender.send(wanted.clone()).unwrap()).await;
            })
        };
        let listed = Wanted::Groups([vec![ONE], Vec::new()]);
        let text =
            "17   lsm0            1     0     01005e010203\n18   eth0            1     0     01005e000001\n";
        for _ in 0..2 {
            assert_eq!(taken.recv().await, Some(Wanted::All));
            // In one step, so that no half of it is read.
            std::fs::write(directory.join("new"), text).unwrap();
            std::fs::rename(directory.join("new"), &list).unwrap();
            assert_eq!(taken.recv().await, Some(listed.clone()));
            std::fs::remove_file(&list).unwrap();
            // Nor can a directory be read.
            std::fs::create_dir(&list).unwrap();
            assert_eq!(taken.recv().await, Some(Wanted::All));
            std::fs::remove_dir(&list).unwrap();
            std::fs::write(directory.join("new"), "").unwrap();
            std::fs::rename(directory.join("new"), &list).unwrap();
            assert_eq!(taken.recv().await, Some(Wanted::Groups([Vec::new(), Vec::new()])));
            std::fs::remove_file(&list).unwrap();
        }
        assert_eq!(taken.recv().await, Some(Wanted::All));
        follower.abort();
        std::fs::remove_dir_all(directory).unwrap();
    }
}
