//! What an interface and an area are told about OSPF: network types, authentication, stub areas.

use isthmus_ospf::config::{
    AreaType, Authentication, InterfaceType, Key, Lifetime, NssaConfig, StaticNeighbor, TranslatorRole,
};
use isthmus_ospf::wire::Algorithm;

use super::super::model::OspfInterfaceConfig;
use super::*;

/// The minimal file with these keys of OSPF on its NIC.
fn with(keys: &str) -> String {
    format!("{MINIMAL}    ospf: {{{keys}}}\n")
}

fn ospf(keys: &str) -> OspfInterfaceConfig {
    good(&with(keys)).config.interfaces[0].ospf.clone().expect("OSPF on the NIC")
}

fn area(keys: &str) -> AreaType {
    let text =
        format!("{MINIMAL}    ospf: {{area-id: 0.0.0.1}}\nospf: {{areas: [{{area-id: 0.0.0.1, {keys}}}]}}\n");
    good(&text).config.ospf.areas[0].area_type
}

#[test]
fn a_nic_is_point_to_point_and_without_authentication_unless_told_otherwise() {
    let plain = ospf("");
    assert_eq!(plain.interface_type, InterfaceType::PointToPoint);
    assert_eq!(plain.authentication, Authentication::Null);
    assert_eq!(ospf("authentication: {type: none}").authentication, Authentication::Null);
    assert_eq!(ospf("interface-type: broadcast, priority: 0").interface_type, InterfaceType::Broadcast);
}

#[test]
fn who_is_on_a_network_without_multicast_is_listed() {
    let neighbors = "static-neighbors: [{identifier: 192.0.2.2}, \
                     {identifier: 192.0.2.3, priority: 0, poll-interval: 7}]";
    for (name, interface_type) in [
        ("non-broadcast", InterfaceType::NonBroadcast),
        ("point-to-multipoint", InterfaceType::PointToMultipoint),
    ] {
        let text = with(&format!("interface-type: {name}, {neighbors}")).replace("/30", "/24");
        let config = good(&text).config.interfaces[0].ospf.clone().expect("OSPF on the NIC");
        assert_eq!(config.interface_type, interface_type);
        let listed =
            |priority, seconds| StaticNeighbor { priority, poll_interval: Duration::from_secs(seconds) };
        let at = |last| Ipv4Addr::new(192, 0, 2, last);
        let expected = [(at(2), listed(1, 120)), (at(3), listed(0, 7))];
        assert_eq!(config.static_neighbors.into_iter().collect::<Vec<_>>(), expected);
        // The list may be left out: who is heard becomes a neighbor.
        good(&with(&format!("interface-type: {name}")));
    }
}

#[test]
fn a_password_is_padded_to_the_field_and_keys_keep_their_order() {
    let simple = ospf("authentication: {type: simple, key: 'a b'}").authentication;
    assert_eq!(simple, Authentication::Simple(*b"a b\0\0\0\0\0"));
    let md5 =
        ospf("authentication: {type: md5, keys: [{key-id: 9, key: sixteen-letters!}, {key-id: 0, key: x}]}");
    let key = |id, key: &[u8]| Key::always(id, Algorithm::Md5, key);
    assert_eq!(
        md5.authentication,
        Authentication::Cryptographic(vec![key(9, b"sixteen-letters!"), key(0, b"x")])
    );
}

/// The minimal file with one key chain `core` of these keys, which its NIC uses.
fn chain(keys: &str) -> String {
    let nic = with("authentication: {type: key-chain, key-chain: core}");
    format!("{nic}key-chains: [{{name: core, keys: [{keys}]}}]\n")
}

#[test]
fn the_keys_of_a_chain_have_algorithms_and_lifetimes() {
    let text = chain(
        "{key-id: 1, crypto-algorithm: md5, key-string: old}, \
         {key-id: 2, key-string: '32 characters, and not one more.', \
          send-lifetime: {start-date-time: 2026-12-01T00:00:00Z, end-date-time: '2027-01-01T00:00:00Z'}, \
          accept-lifetime: {start-date-time: 2026-11-30T23:59:00Z}}",
    );
    let ospf = good(&text).config.interfaces[0].ospf.clone().expect("OSPF on the NIC");
    let old = Key::always(1, Algorithm::Md5, b"old");
    let send = Lifetime { start: 1_796_083_200, end: Some(1_798_761_600) };
    let accept = Lifetime { start: send.start - 60, end: None };
    let new = Key::always(2, Algorithm::HmacSha256, b"32 characters, and not one more.");
    assert_eq!(ospf.authentication, Authentication::Cryptographic(vec![old, Key { send, accept, ..new }]));
    for (name, algorithm) in
        ["md5", "hmac-sha-1", "hmac-sha-256", "hmac-sha-384", "hmac-sha-512"].into_iter().zip(Algorithm::ALL)
    {
        assert_eq!(algorithm.name(), name);
        let longest = "x".repeat(algorithm.digest_len());
        let key = |secret: &str| format!("{{key-id: 0, crypto-algorithm: {name}, key-string: {secret}}}");
        good(&chain(&key(&longest)));
        assert_eq!(bad(&chain(&key(&format!("{longest}x"))))[0].code, Code::BadSecret);
    }
}

#[test]
fn the_form_of_rfc_7474_takes_keys_of_hmac_only() {
    let form = |text: String| text.replace("key-chain: core", "key-chain: core, auth-trailer-rfc: rfc7474");
    let ospf = good(&form(chain("{key-id: 1, key-string: x}"))).config.interfaces[0].ospf.clone();
    let keys = vec![Key::always(1, Algorithm::HmacSha256, b"x")];
    assert_eq!(ospf.expect("OSPF on the NIC").authentication, Authentication::Extended(keys));
    let at = "interfaces[0].ospf.authentication.auth-trailer-rfc";
    for text in [
        form(chain("{key-id: 1, crypto-algorithm: md5, key-string: x}")),
        with("authentication: {type: md5, keys: [{key-id: 1, key: x}], auth-trailer-rfc: rfc7474}"),
    ] {
        let findings = bad(&text);
        assert_eq!(
            (findings[0].code, findings[0].path.as_str(), findings.len()),
            (Code::ConflictingKeys, at, 1)
        );
    }
}

#[test]
fn a_chain_that_contradicts_itself_is_refused_once_and_at_its_key() {
    let key = |more: &str| format!("{{key-id: 1, key-string: verysecret{more}}}");
    let path = |end: &str| format!("key-chains[0].{end}");
    let nic = |end: &str| format!("interfaces[0].ospf.authentication.{end}");
    let no_chain = |keys: &str| with(&format!("authentication: {{{keys}}}"));
    let lifetime = |from: &str, until: &str| {
        key(&format!(", send-lifetime: {{start-date-time: '{from}', end-date-time: '{until}'}}"))
    };
    let moment = "2026-12-01T00:00:00Z";
    for (text, code, at) in [
        (chain(""), Code::MissingKey, path("keys")),
        (chain(&format!("{}, {}", key(""), key(""))), Code::DuplicateKey, path("keys[1].key-id")),
        (chain("{key-id: 256, key-string: verysecret}"), Code::OutOfRange, path("keys[0].key-id")),
        (chain("{key-id: 1, key-string: ''}"), Code::BadSecret, path("keys[0].key-string")),
        (chain("{key-id: 1, key-string: '********'}"), Code::BadSecret, path("keys[0].key-string")),
        (chain("{key-id: 1}"), Code::MissingKey, path("keys[0]")),
        (
            chain("{key-id: 1, key-string: verysecret, crypto-algorithm: sha}"),
            Code::UnknownValue,
            path("keys[0].crypto-algorithm"),
        ),
        (chain(&lifetime(moment, moment)), Code::BadLifetime, path("keys[0].send-lifetime.end-date-time")),
        (
            chain(&lifetime("tomorrow", moment)),
            Code::BadLifetime,
            path("keys[0].send-lifetime.start-date-time"),
        ),
        (
            chain(&lifetime(moment, "2107-01-01T00:00:00Z")),
            Code::BadLifetime,
            path("keys[0].send-lifetime.end-date-time"),
        ),
        (
            format!(
                "{}  - {{name: core, keys: [{}]}}\n",
                chain(&key("")).replace(": [{name: core", ":\n  - {name: core").replace("}]}]", "}]}"),
                key("")
            ),
            Code::DuplicateName,
            "key-chains[1].name".to_owned(),
        ),
        (no_chain("type: key-chain"), Code::MissingKey, nic("type")),
        (no_chain("type: key-chain, key-chain: core"), Code::UnknownKeyChain, nic("key-chain")),
        (
            no_chain("type: md5, keys: [{key-id: 1, key: x}], key-chain: core"),
            Code::ConflictingKeys,
            nic("key-chain"),
        ),
    ] {
        let findings = bad(&text);
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.path.clone())).collect();
        assert_eq!(found, [(code, at)], "{text}");
        assert!(!format!("{findings:?}").contains("verysecret"), "{findings:?}");
    }
}

#[test]
fn ttl_security_is_off_and_counts_hops_when_it_is_on() {
    assert_eq!(ospf("").ttl_security, None);
    assert_eq!(ospf("ttl-security: {enabled: true}").ttl_security, Some(1));
    assert_eq!(ospf("ttl-security: {enabled: true, hops: 254}").ttl_security, Some(254));
    assert_eq!(ospf("ttl-security: {hops: 3}").ttl_security, None);
    for hops in [0, 255] {
        let findings = bad(&with(&format!("ttl-security: {{enabled: true, hops: {hops}}}")));
        let found = (findings[0].code, findings[0].path.as_str());
        assert_eq!(found, (Code::OutOfRange, "interfaces[0].ospf.ttl-security.hops"));
    }
}

#[test]
fn a_stub_area_has_a_default_cost_and_summaries() {
    assert_eq!(area("area-type: normal-area"), AreaType::Normal);
    assert_eq!(area("area-type: stub-area"), AreaType::Stub { default_cost: 1, summary: true });
    assert_eq!(
        area("area-type: stub-area, summary: false, default-cost: 7"),
        AreaType::Stub { default_cost: 7, summary: false }
    );
}

#[test]
fn a_not_so_stubby_area_has_a_translator_and_ranges() {
    assert_eq!(area("area-type: nssa-area"), AreaType::Nssa(NssaConfig::default()));
    let expected = NssaConfig {
        summary: false,
        default_route: false,
        default_cost: 7,
        translator_role: TranslatorRole::Always,
    };
    let keys = "area-type: nssa-area, summary: false, default-route: false, default-cost: 7, translator-role: always";
    assert_eq!(area(keys), AreaType::Nssa(expected));
    let areas = |keys: &str| format!("{MINIMAL}ospf: {{ areas: [{{ area-id: 0.0.0.7, {keys} }}] }}\n");
    let ranges =
        "nssa-ranges: [{ prefix: 198.18.0.0/15, tag: 4294967295 }, { prefix: 10.0.0.0/8, advertise: false }]";
    let config = good(&areas(&format!("area-type: nssa-area, {ranges}"))).config;
    let found: Vec<_> = config.ospf.areas[0].nssa_ranges.iter().map(|r| (r.advertise, r.tag)).collect();
    assert_eq!(found, [(true, u32::MAX), (false, 0)]);
    let findings = bad(&areas(&format!("area-type: stub-area, {ranges}")));
    assert_eq!(
        (findings[0].code, findings[0].path.as_str()),
        (Code::ConflictingKeys, "ospf.areas[0].nssa-ranges")
    );
}

/// Input: a NIC in an area of its own beside one in the backbone, and without. Output: taken, and refused.
#[test]
fn a_nic_may_be_in_an_area_of_its_own_beside_one_in_the_backbone() {
    let second = "  - {name: eth2, address: 198.51.100.1/24, ospf: {area-id: 0.0.0.7}}\n";
    good(&format!("{MINIMAL}{second}"));
    let findings = bad(&format!("{MINIMAL}    ospf: {{area-id: 0.0.0.1}}\n{second}"));
    assert_eq!((findings[0].code, findings[0].line), (Code::UnsupportedArea, Some(7)));
}

#[test]
fn what_contradicts_itself_is_refused_at_its_key() {
    let auth = |keys: &str| with(&format!("authentication: {{{keys}}}"));
    let stub = |keys: &str| format!("{MINIMAL}ospf: {{areas: [{{{keys}}}]}}\n");
    let path = |end: &str| format!("interfaces[0].ospf.{end}");
    let listed = |keys: &str| with(&format!("interface-type: non-broadcast, static-neighbors: [{{{keys}}}]"));
    let long = "x".repeat(17);
    for (text, code, at) in [
        (with("interface-type: lan"), Code::UnknownValue, path("interface-type")),
        (
            with("interface-type: broadcast").replace("/30", "/31"),
            Code::ConflictingKeys,
            path("interface-type"),
        ),
        (
            with("interface-type: non-broadcast").replace("/30", "/31"),
            Code::ConflictingKeys,
            path("interface-type"),
        ),
        (
            with("static-neighbors: [{identifier: 192.0.2.2}]"),
            Code::ConflictingKeys,
            path("static-neighbors"),
        ),
        (listed("identifier: 192.0.2.1"), Code::BadAddress, path("static-neighbors[0].identifier")),
        (listed("identifier: 192.0.2.3"), Code::BadAddress, path("static-neighbors[0].identifier")),
        (listed("identifier: 192.0.2.9"), Code::BadAddress, path("static-neighbors[0].identifier")),
        (listed("identifier: other"), Code::BadAddress, path("static-neighbors[0].identifier")),
        (
            listed("identifier: 192.0.2.2, priority: 256"),
            Code::OutOfRange,
            path("static-neighbors[0].priority"),
        ),
        (
            listed("identifier: 192.0.2.2, poll-interval: 0"),
            Code::OutOfRange,
            path("static-neighbors[0].poll-interval"),
        ),
        (
            listed("identifier: 192.0.2.2}, {identifier: 192.0.2.2"),
            Code::DuplicateName,
            path("static-neighbors[1].identifier"),
        ),
        (auth("type: sha"), Code::UnknownValue, path("authentication.type")),
        (auth("type: simple"), Code::MissingKey, path("authentication.type")),
        (auth("type: md5"), Code::MissingKey, path("authentication.type")),
        (auth("type: md5, key: x"), Code::ConflictingKeys, path("authentication.key")),
        (auth("key: x"), Code::ConflictingKeys, path("authentication.key")),
        (
            auth("type: simple, keys: [{key-id: 1, key: x}]"),
            Code::ConflictingKeys,
            path("authentication.keys"),
        ),
        (auth("type: simple, key: ninechars"), Code::BadSecret, path("authentication.key")),
        (auth("type: simple, key: ''"), Code::BadSecret, path("authentication.key")),
        (auth("type: simple, key: pässwd"), Code::BadSecret, path("authentication.key")),
        (auth("type: simple, key: '********'"), Code::BadSecret, path("authentication.key")),
        (
            auth(&format!("type: md5, keys: [{{key-id: 1, key: {long}}}]")),
            Code::BadSecret,
            path("authentication.keys[0].key"),
        ),
        (
            auth("type: md5, keys: [{key-id: 256, key: x}]"),
            Code::OutOfRange,
            path("authentication.keys[0].key-id"),
        ),
        (
            auth("type: md5, keys: [{key-id: 1, key: x}, {key-id: 1, key: y}]"),
            Code::DuplicateKey,
            path("authentication.keys[1].key-id"),
        ),
        (
            stub("area-id: 0.0.0.0, area-type: stub-area"),
            Code::ConflictingKeys,
            "ospf.areas[0].area-type".into(),
        ),
        (stub("area-id: 0.0.0.1, summary: true"), Code::ConflictingKeys, "ospf.areas[0].summary".into()),
        (
            stub("area-id: 0.0.0.1, default-cost: 1"),
            Code::ConflictingKeys,
            "ospf.areas[0].default-cost".into(),
        ),
        (
            stub("area-id: 0.0.0.1, area-type: stub-area, default-cost: 16777215"),
            Code::OutOfRange,
            "ospf.areas[0].default-cost".into(),
        ),
    ] {
        let findings = bad(&text);
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.path.clone())).collect();
        assert_eq!(found, [(code, at)], "{text}");
        assert_eq!(findings[0].line, Some(6), "{text}");
    }
}

/// Input: secrets that are wrong in every way. Output: no finding, and no form of the configuration for logs, has them.
#[test]
fn no_secret_stands_in_a_message() {
    for (keys, secret) in [
        ("type: simple, key: verysecret", "verysecret"),
        ("type: none, key: verysecret", "verysecret"),
        ("type: simple, key: 31415926", "31415926"),
        ("type: simple, key: -31415926", "31415926"),
        ("type: simple, key: 3.1415926", "3.1415926"),
        ("type: simple, key: 314159265358979323846264338327950288", "3141592"),
        ("type: simple, key: [verysecret]", "verysecret"),
        ("type: simple, key: {verysecret: 1}", "verysecret"),
        ("type: md5, keys: [{key-id: 300, key: verysecret}]", "verysecret"),
        ("type: md5, keys: [{key-id: 1, key: 31415926}]", "31415926"),
        ("type: md5, keys: [{key-id: 1, key: 'verysecretverysecret'}]", "verysecret"),
    ] {
        let findings = bad(&with(&format!("authentication: {{{keys}}}")));
        assert!(!format!("{findings:?}").contains(secret), "{findings:?}");
    }
    let good = ospf("authentication: {type: md5, keys: [{key-id: 77, key: verysecret}]}");
    let shown = format!("{good:?}");
    assert!(shown.contains("77") && !shown.contains("verysecret") && !shown.contains("118, 101"), "{shown}");
}

/// Input: redistribution with numbers and filters that cannot be. Output: each named at its key, and nothing else.
#[test]
fn redistribution_that_cannot_be_is_refused_at_its_key() {
    let filter = |rule: &str| format!("redistribute: {{ static: {{ filter: [{{ {rule} }}] }} }}");
    for (ospf, code, at) in [
        (
            "redistribute: { static: { metric: 16777215 } }".to_owned(),
            Code::OutOfRange,
            "redistribute.static.metric",
        ),
        (
            "redistribute: { connected: { metric-type: 3 } }".to_owned(),
            Code::OutOfRange,
            "redistribute.connected.metric-type",
        ),
        (
            "default-information-originate: { tag: -1 }".to_owned(),
            Code::OutOfRange,
            "default-information-originate.tag",
        ),
        (filter("ip-prefix: 10.0.0.1/8"), Code::BadPrefix, "redistribute.static.filter[0].ip-prefix"),
        (
            filter("ip-prefix: 10.0.0.0/8, mask-length-lower: 7"),
            Code::OutOfRange,
            "redistribute.static.filter[0].mask-length-lower",
        ),
        (
            filter("ip-prefix: 10.0.0.0/8, mask-length-lower: 24, mask-length-upper: 16"),
            Code::OutOfRange,
            "redistribute.static.filter[0].mask-length-upper",
        ),
    ] {
        let text = format!("ospf:\n  router-id: 192.0.2.1\n  {ospf}\n");
        let found: Vec<_> = bad(&text).into_iter().map(|finding| (finding.code, finding.path)).collect();
        assert_eq!(found, [(code, format!("ospf.{at}"))], "{text}");
    }
}

#[test]
fn a_virtual_link_has_the_timers_of_an_interface_and_joins_the_backbone() {
    let text = format!(
        "{MINIMAL}    ospf: {{area-id: 0.0.0.1}}\n  - {{name: eth2, address: 198.51.100.1/30, ospf: {{area-id: 0.0.0.2}}}}\n"
    );
    assert_eq!(bad(&text).len(), 1, "two areas and no backbone");
    let link = "ospf: {areas: [{area-id: 0.0.0.2, virtual-links: [{router-id: 10.9.9.9, authentication: {type: simple, key: x}}]}]}\n";
    let config = good(&format!("{text}{link}")).config;
    let link = &config.ospf.areas[0].virtual_links[0];
    assert_eq!(link.router_id.to_string(), "10.9.9.9");
    let seconds =
        [link.hello_interval, link.dead_interval, link.retransmit_interval].map(|time| time.as_secs());
    assert_eq!((seconds, link.transmit_delay), ([10, 40, 5], 1));
    assert_eq!(link.authentication, Authentication::Simple(*b"x\0\0\0\0\0\0\0"));
}

#[test]
fn a_virtual_link_that_cannot_be_is_refused_at_its_key() {
    let text = |area: &str, links: &str| {
        format!(
            "{MINIMAL}ospf: {{router-id: 10.0.0.1, areas: [{{area-id: {area}, virtual-links: [{links}]}}]}}\n"
        )
    };
    let key = |end: &str| format!("ospf.areas[0].virtual-links{end}");
    for (text, code, at) in [
        (text("0.0.0.0", "{router-id: 10.9.9.9}"), Code::ConflictingKeys, key("")),
        (text("0.0.0.1, area-type: stub-area", "{router-id: 10.9.9.9}"), Code::ConflictingKeys, key("")),
        (text("0.0.0.1", "{router-id: 0.0.0.0}"), Code::BadRouterId, key("[0].router-id")),
        (text("0.0.0.1", "{router-id: nine}"), Code::BadRouterId, key("[0].router-id")),
        (text("0.0.0.1", "{router-id: 10.0.0.1}"), Code::BadRouterId, key("[0].router-id")),
        (
            text("0.0.0.1", "{router-id: 10.9.9.9}, {router-id: 10.9.9.9}"),
            Code::DuplicateName,
            key("[1].router-id"),
        ),
        (
            text("0.0.0.1", "{router-id: 10.9.9.9, dead-interval: 5}"),
            Code::BadTimers,
            key("[0].dead-interval"),
        ),
        (
            text("0.0.0.1", "{router-id: 10.9.9.9, transmit-delay: 0}"),
            Code::OutOfRange,
            key("[0].transmit-delay"),
        ),
    ] {
        let findings = bad(&text);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let found: Vec<_> = errors.map(|finding| (finding.code, finding.path.clone())).collect();
        assert_eq!(found, [(code, at)], "{text}");
    }
}
