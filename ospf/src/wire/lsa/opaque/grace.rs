//! Grace-LSAs (RFC 3623 appendix A): a router tells those on a link that it restarts and goes on forwarding meanwhile.

use std::net::Ipv4Addr;

use crate::wire::error::DecodeError;
use crate::wire::writer::Writer;

use super::{tlvs, write_tlv};

/// Why a router restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartReason {
    /// It does not say, or says what this engine does not know.
    Unknown,
    /// Its software restarts.
    SoftwareRestart,
    /// Its software is replaced.
    SoftwareReload,
    /// Another control processor takes over.
    SwitchToRedundantProcessor,
}

/// What a grace-LSA says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// TLV 1: the seconds, from the age 0 of the advertisement on, for which the neighbors shall go on as if nothing had happened.
    pub period: u32,
    /// TLV 2.
    pub reason: RestartReason,
    /// TLV 3: the restarting router's address, on networks where neighbors are known by theirs.
    pub address: Option<Ipv4Addr>,
}

impl Grace {
    /// Reads a body; `None` if it has no period, which it must have.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] for an element that the body does not hold.
    pub fn decode(body: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut period, mut reason, mut address) = (None, RestartReason::Unknown, None);
        for tlv in tlvs(body)? {
            let word = tlv.value.first_chunk::<4>();
            match tlv.kind {
                PERIOD => period = period.or(word.map(|word| u32::from_be_bytes(*word))),
                REASON => reason = tlv.value.first().map_or(RestartReason::Unknown, |code| reason_of(*code)),
                ADDRESS => address = address.or(word.map(|word| Ipv4Addr::from(*word))),
                _ => {}
            }
        }
        Ok(period.map(|period| Self { period, reason, address }))
    }

    /// The body to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(24);
        write_tlv(&mut writer, PERIOD, &self.period.to_be_bytes());
        let code = REASONS.iter().find(|(_, reason)| *reason == self.reason).map_or(0, |(code, _)| *code);
        write_tlv(&mut writer, REASON, &[code]);
        if let Some(address) = self.address {
            write_tlv(&mut writer, ADDRESS, &address.octets());
        }
        writer.into_bytes()
    }
}

fn reason_of(code: u8) -> RestartReason {
    REASONS.iter().find(|(known, _)| *known == code).map_or(RestartReason::Unknown, |(_, reason)| *reason)
}

const REASONS: [(u8, RestartReason); 3] = [
    (1, RestartReason::SoftwareRestart),
    (2, RestartReason::SoftwareReload),
    (3, RestartReason::SwitchToRedundantProcessor),
];

const PERIOD: u16 = 1;
const REASON: u16 = 2;
const ADDRESS: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_lsa_byte_for_byte() {
        let grace = Grace {
            period: 120,
            reason: RestartReason::SoftwareRestart,
            address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        };
        let bytes = b"\0\x01\0\x04\0\0\0\x78\0\x02\0\x01\x01\0\0\0\0\x03\0\x04\x0a\0\0\x01";
        assert_eq!(grace.encode(), bytes);
        assert_eq!(Grace::decode(bytes), Ok(Some(grace)));
    }

    #[test]
    fn without_a_period_it_is_none_and_an_unknown_reason_is_unknown() {
        assert_eq!(Grace::decode(b"\0\x02\0\x01\x01\0\0\0"), Ok(None));
        let odd = Grace::decode(b"\0\x01\0\x04\0\0\0\x05\0\x02\0\x01\x63\0\0\0").unwrap().unwrap();
        assert_eq!(odd, Grace { period: 5, reason: RestartReason::Unknown, address: None });
        assert!(Grace::decode(b"\0\x01\0\x40\0\0").is_err());
    }
}
