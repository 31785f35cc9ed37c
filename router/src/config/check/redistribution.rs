//! What OSPF is told of routes that do not come from it.

use isthmus_ospf::config::ExternalRoute;

use super::super::Code;
use super::super::model::{DefaultInformation, PrefixRule, Redistribute, RedistributeSource};
use super::super::raw::{
    RawDefaultInformation, RawFilterAction, RawFilterRule, RawRedistribute, RawRedistributeSource,
};
use super::findings::Findings;

/// `ospf.redistribute`; `None` with a finding against it.
pub(super) fn redistribute(raw: &RawRedistribute, findings: &mut Findings) -> Option<Redistribute> {
    let connected = raw.connected.as_ref().map(|raw| source("ospf.redistribute.connected", raw, findings));
    let by_hand = raw.by_hand.as_ref().map(|raw| source("ospf.redistribute.static", raw, findings));
    Some(Redistribute { connected: sound(connected)?, by_hand: sound(by_hand)? })
}

/// `ospf.default-information-originate`; `None` with a finding against it, `Some(None)` if it is not there.
pub(super) fn default_information(
    raw: Option<&RawDefaultInformation>,
    findings: &mut Findings,
) -> Option<Option<DefaultInformation>> {
    let path = "ospf.default-information-originate";
    let default = raw.map(|raw| {
        let route = route(path, raw.metric, raw.metric_type, raw.tag, findings)?;
        Some(DefaultInformation { always: raw.always, route })
    });
    sound(default)
}

/// What is given must be sound, what is not given is.
fn sound<T>(given: Option<Option<T>>) -> Option<Option<T>> {
    match given {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

fn source(path: &str, raw: &RawRedistributeSource, findings: &mut Findings) -> Option<RedistributeSource> {
    let route = route(path, raw.metric, raw.metric_type, raw.tag, findings);
    let mut filter = Vec::new();
    let mut complete = true;
    for (index, raw) in raw.filter.iter().enumerate() {
        match rule(&format!("{path}.filter[{index}]"), raw, findings) {
            Some(rule) => filter.push(rule),
            None => complete = false,
        }
    }
    complete.then_some(RedistributeSource { route: route?, filter })
}

fn route(
    path: &str,
    metric: i64,
    metric_type: i64,
    tag: i64,
    findings: &mut Findings,
) -> Option<ExternalRoute> {
    let metric = findings.number(format!("{path}.metric"), metric, 0..=16_777_214_u32, "");
    let metric_type = findings.number(format!("{path}.metric-type"), metric_type, 1..=2_u8, "");
    let tag = findings.number(format!("{path}.tag"), tag, 0..=u32::MAX, "");
    Some(ExternalRoute { metric: metric?, e2: metric_type? == 2, tag: tag?, ..ExternalRoute::default() })
}

fn rule(path: &str, raw: &RawFilterRule, findings: &mut Findings) -> Option<PrefixRule> {
    let prefix = findings.prefix(&format!("{path}.ip-prefix"), &raw.ip_prefix)?;
    let own = prefix.prefix_len();
    let shortest = match raw.mask_length_lower {
        Some(lower) => findings.number(format!("{path}.mask-length-lower"), lower, own..=32, "")?,
        None => own,
    };
    let longest = match (raw.mask_length_upper, raw.mask_length_lower) {
        (Some(upper), _) => findings.number(format!("{path}.mask-length-upper"), upper, own..=32, "")?,
        (None, Some(_)) => 32,
        (None, None) => own,
    };
    if longest < shortest {
        findings.error(
            Code::OutOfRange,
            format!("{path}.mask-length-upper"),
            format!("no length is at least {shortest} and at most {longest}"),
            format!("use a whole number from {shortest} to 32"),
        );
        return None;
    }
    Some(PrefixRule { prefix, lengths: shortest..=longest, permit: raw.action == RawFilterAction::Permit })
}
