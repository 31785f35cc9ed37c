//! Longest-prefix match in one to three reads: a table for the first 16 bits of an address, and tables of 256
//! for the next 8 and the last 8 where there are prefixes that long.
//!
//! Built once and then only read. 256 KiB, and 1 KiB for each /16 and each /24 that longer prefixes divide.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A map from prefixes to numbers.
#[derive(Clone, Default)]
pub(super) struct LookupTable {
    root: Vec<Word>,
    tables: Vec<[Word; 256]>,
}

/// What is known of a range of addresses: nothing, a value, or where more is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Word(u32);

impl Word {
    const TABLE: u32 = 1 << 31;

    /// The table that divides the range.
    const fn table(self) -> Option<usize> {
        if self.0 & Self::TABLE != 0 { Some((self.0 & !Self::TABLE) as usize) } else { None }
    }

    const fn value(self) -> Option<u32> {
        self.0.checked_sub(1)
    }
}

impl LookupTable {
    /// The largest value that a prefix can have.
    pub(super) const MAX_VALUE: u32 = Word::TABLE - 2;

    /// A table of prefixes with values of at most [`Self::MAX_VALUE`]; larger ones are left out.
    pub(super) fn new(prefixes: impl IntoIterator<Item = (Ipv4Net, u32)>) -> Self {
        let mut prefixes: Vec<_> = prefixes.into_iter().collect();
        if prefixes.is_empty() {
            return Self::default();
        }
        // Short ones first: a longer one then covers its part of what the shorter one filled.
        prefixes.sort_by_key(|(prefix, _)| prefix.prefix_len());
        let mut table = Self { root: vec![Word::default(); 1 << 16], tables: Vec::new() };
        for (prefix, value) in prefixes.into_iter().filter(|&(_, value)| value <= Self::MAX_VALUE) {
            table.insert(prefix, Word(value + 1));
        }
        table
    }

    /// The value of the longest prefix that holds an address.
    pub(super) fn lookup(&self, address: Ipv4Addr) -> Option<u32> {
        let [_, _, third, fourth] = address.octets();
        let mut word = *self.root.get((address.to_bits() >> 16) as usize)?;
        if let Some(table) = word.table() {
            word = self.tables[table][usize::from(third)];
            if let Some(table) = word.table() {
                word = self.tables[table][usize::from(fourth)];
            }
        }
        word.value()
    }

    fn insert(&mut self, prefix: Ipv4Net, word: Word) {
        let address = prefix.network().to_bits();
        let length = prefix.prefix_len();
        let (first, second, third) = (address >> 16, (address >> 8) & 0xff, address & 0xff);
        if length <= 16 {
            return fill(&mut self.root, first, 16 - length, word);
        }
        let (table, link) = divide(&mut self.tables, self.root[first as usize]);
        self.root[first as usize] = link;
        if length <= 24 {
            return fill(&mut self.tables[table], second, 24 - length, word);
        }
        let word_before = self.tables[table][second as usize];
        let (last, link) = divide(&mut self.tables, word_before);
        self.tables[table][second as usize] = link;
        fill(&mut self.tables[last], third, 32 - length, word);
    }
}

/// The table for a range, made of the range's value if there is none yet; and the word that leads to it.
fn divide(tables: &mut Vec<[Word; 256]>, word: Word) -> (usize, Word) {
    if let Some(table) = word.table() {
        return (table, word);
    }
    tables.push([word; 256]);
    let table = tables.len() - 1;
    (table, Word(Word::TABLE | table as u32))
}

/// Sets the `2^bits` words from `first` on.
fn fill(words: &mut [Word], first: u32, bits: u8, word: Word) {
    let first = first as usize;
    words[first..first + (1 << bits)].fill(word);
}

#[cfg(test)]
mod tests {
    use prefix_trie::PrefixMap;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_table_knows_nothing() {
        assert_eq!(LookupTable::default().lookup(Ipv4Addr::LOCALHOST), None);
        assert_eq!(LookupTable::new([]).lookup(Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn the_ends_of_the_address_space_are_held() {
        let all = |length| Ipv4Net::new(Ipv4Addr::BROADCAST, length).unwrap().trunc();
        let table = LookupTable::new((0..=32).map(|length| (all(length), u32::from(length))));
        assert_eq!(table.lookup(Ipv4Addr::BROADCAST), Some(32));
        assert_eq!(table.lookup(Ipv4Addr::UNSPECIFIED), Some(0));
        for length in 0..32u32 {
            // The first bit after the prefix differs: exactly this prefix is the longest.
            let address = Ipv4Addr::from_bits(!(1 << (31 - length)));
            assert_eq!(table.lookup(address), Some(length));
        }
    }

    /// Prefixes and addresses close together, so that they hold and divide one another.
    fn close() -> impl Strategy<Value = u32> {
        (0u32..4, 0u32..4, prop_oneof![Just(0u32), Just(255), 0u32..256], any::<u8>())
            .prop_map(|(a, b, c, d)| 10 << 24 | a << 23 | b << 16 | c << 8 | u32::from(d))
    }

    proptest! {
        #[test]
        fn it_finds_what_a_prefix_trie_finds(
            prefixes in proptest::collection::vec((close(), 0u8..=32), 0..60),
            addresses in proptest::collection::vec(prop_oneof![close(), any::<u32>()], 1..60),
        ) {
            let prefixes: Vec<_> = prefixes
                .into_iter()
                .map(|(address, length)| Ipv4Net::new(Ipv4Addr::from_bits(address), length).unwrap().trunc())
                .zip(0u32..)
                .collect();
            let oracle: PrefixMap<Ipv4Net, u32> = prefixes.iter().copied().collect();
            let table = LookupTable::new(oracle.iter().map(|(prefix, value)| (prefix, *value)));
            for address in addresses.into_iter().chain(prefixes.iter().map(|(prefix, _)| prefix.addr().to_bits())) {
                let address = Ipv4Addr::from_bits(address);
                let expected = oracle.get_lpm(&Ipv4Net::from(address)).map(|(_, value)| *value);
                prop_assert_eq!(table.lookup(address), expected, "{}", address);
            }
        }
    }
}
