//! Channels: the queues of the two networks, each of which a pair of nodes has rings of its own for.
//!
//! A data thread that owns the endpoints of one queue shares nothing with the thread of another queue: neither rings, nor read
//! pointers, nor the word by which it says that it sleeps, nor its bell.

use std::fmt;
use std::ops::{Index, IndexMut};

use crate::node::Network;

/// A queue of a network. A pair of nodes has a ring in each direction for each channel, and a node an endpoint for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Channel {
    pub(crate) network: Network,
    /// From 0.
    pub(crate) queue: u8,
}

impl Channel {
    /// All channels of nodes with so many queues, in the order of their index.
    pub(crate) fn all(queues: u8) -> impl Iterator<Item = Self> + Clone {
        Network::ALL
            .into_iter()
            .flat_map(move |network| (0..queues).map(move |queue| Self { network, queue }))
    }

    /// The place in tables with one entry per channel: the queues of the LSM, then those of the GSM.
    pub(crate) const fn index(self, queues: u8) -> usize {
        self.network.index() * queues as usize + self.queue as usize
    }

    /// Whether broadcast and multicast frames go this way: by the first queue of each network only.
    pub(crate) const fn has_groups(self) -> bool {
        self.queue == 0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.queue {
            0 => write!(f, "{}", self.network),
            queue => write!(f, "{} queue {queue}", self.network),
        }
    }
}

/// One of something for each channel.
#[derive(Clone, Debug)]
pub(crate) struct PerChannel<T> {
    queues: u8,
    entries: Vec<T>,
}

impl<T> PerChannel<T> {
    /// What `make` makes for each channel of nodes with so many queues.
    pub(crate) fn new(queues: u8, make: impl FnMut(Channel) -> T) -> Self {
        Self { queues, entries: Channel::all(queues).map(make).collect() }
    }

    /// That of a channel, if there is such a queue.
    pub(crate) fn get_mut(&mut self, channel: Channel) -> Option<&mut T> {
        if channel.queue >= self.queues {
            return None;
        }
        self.entries.get_mut(channel.index(self.queues))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Channel, &T)> {
        Channel::all(self.queues).zip(&self.entries)
    }

    /// Takes them out, in the order of the channels.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Channel, T)> {
        Channel::all(self.queues).zip(self.entries)
    }
}

/// Channels come from the number of queues that this was made with.
impl<T> Index<Channel> for PerChannel<T> {
    type Output = T;

    fn index(&self, channel: Channel) -> &T {
        &self.entries[channel.index(self.queues)]
    }
}

impl<T> IndexMut<Channel> for PerChannel<T> {
    fn index_mut(&mut self, channel: Channel) -> &mut T {
        &mut self.entries[channel.index(self.queues)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_place_of_its_own() {
        for queues in 1..=8 {
            let mut table = PerChannel::new(queues, |channel| channel);
            let all: Vec<Channel> = Channel::all(queues).collect();
            assert_eq!(all.len(), 2 * usize::from(queues));
            for (place, channel) in all.iter().enumerate() {
                assert_eq!(channel.index(queues), place);
                assert_eq!(table[*channel], *channel);
            }
            let beyond = Channel { network: Network::Lsm, queue: queues };
            assert_eq!(table.get_mut(beyond), None, "the GSM's first queue is not one of the LSM");
            assert_eq!(table.into_iter().filter(|(channel, entry)| channel == entry).count(), all.len());
        }
    }

    #[test]
    fn the_first_queue_has_the_name_of_its_network() {
        let name = |network, queue| Channel { network, queue }.to_string();
        assert_eq!(name(Network::Lsm, 0), "lsm");
        assert_eq!(name(Network::Gsm, 3), "gsm queue 3");
    }
}
