//! What is open to other hosts is protected, or refused with what to do.

use std::fs::{self, Permissions};
use std::path::PathBuf;

use super::*;
use crate::config::load::Loaded;
use crate::config::{Diagnostic, Environment, Severity, load};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn parse(management: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let text = format!("node-id: 1\nsegment: /dev/shm/x\nmanagement: {management}\n");
    load::parse(&text, &Environment::current())
}

fn codes(management: &str) -> Vec<(Code, String)> {
    let findings = match parse(management) {
        Ok(loaded) => loaded.warnings,
        Err(findings) => findings,
    };
    findings.into_iter().map(|finding| (finding.code, finding.path)).collect()
}

/// A directory with a certificate and a key, gone with the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("isthmus-check-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
        fs::write(directory.join("crt"), made.cert.pem()).unwrap();
        fs::write(directory.join("key"), made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(directory.join("key"), Permissions::from_mode(0o600)).unwrap();
        Self(directory)
    }

    fn tls(&self) -> String {
        self.with("crt", "key")
    }

    fn with(&self, certificate: &str, key: &str) -> String {
        let directory = self.0.display();
        format!("tls: {{certificate: {directory}/{certificate}, private-key: {directory}/{key}}}")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn tokens() -> String {
    format!("tokens: [{{name: a, role: admin, sha256: {HASH}}}]")
}

#[test]
fn what_other_hosts_can_reach_needs_tokens_and_tls() {
    let files = Files::new("needs");
    let (tokens, tls) = (tokens(), files.tls());
    for (key, open) in [
        ("management.listen", "listen: 0.0.0.0:8443"),
        ("management.listen", "listen: '[::]:8443'"),
        ("management.listen", "listen: 192.0.2.1:8443"),
        ("management.in-band-port", "in-band-port: 9100"),
    ] {
        let refused = (Code::Unprotected, key.to_owned());
        assert_eq!(codes(&format!("{{{open}}}")), [refused.clone(), refused.clone()]);
        assert_eq!(codes(&format!("{{{open}, {tokens}}}")), std::slice::from_ref(&refused));
        assert_eq!(codes(&format!("{{{open}, {tls}}}")), std::slice::from_ref(&refused));
        assert_eq!(codes(&format!("{{{open}, {tls}, tokens: []}}")), [refused]);
        let taken = parse(&format!("{{{open}, {tls}, {tokens}}}")).unwrap();
        assert_eq!((taken.config.management.tokens.len(), taken.warnings), (1, vec![]));
    }
    assert_eq!(codes("{listen: '127.0.0.1:8080'}"), []);
}

#[test]
fn the_remedy_can_be_pasted() {
    let findings = parse("{in-band-port: 9100, listen: 0.0.0.0:8443}").unwrap_err();
    let remedies: Vec<&str> = findings.iter().map(|finding| finding.remedy.as_str()).collect();
    assert!(remedies.iter().any(|remedy| remedy.contains("isthmus token create --name admin --role admin")));
    let names = "'subjectAltName=IP:10.77.0.1,IP:10.77.1.1,IP:10.77.2.1'";
    assert!(remedies.iter().any(|remedy| remedy.contains("openssl req -x509") && remedy.contains(names)));
    assert!(remedies.iter().any(|remedy| remedy.contains("IP:ADDRESS-OF-THIS-HOST")));
}

#[test]
fn tokens_have_names_of_their_own_and_hashes() {
    let of = |tokens: &str| codes(&format!("{{tokens: [{tokens}]}}"));
    let at = |code, key: &str| (code, format!("management.tokens{key}"));
    let token = |name: &str, hash: &str| format!("{{name: {name}, role: viewer, sha256: '{hash}'}}");
    let other = HASH.replace('b', "0");
    assert_eq!(of(&format!("{}, {}", token("a", HASH), token("b", &other))), []);
    for name in ["''", "a b", "'uid 0'", "loopback", "local", "é"] {
        assert_eq!(of(&token(name, HASH)), [at(Code::BadToken, "[0].name")], "{name}");
    }
    for hash in ["", "isthmus_secret", &HASH[1..]] {
        assert_eq!(of(&token("a", hash)), [at(Code::BadToken, "[0].sha256")], "{hash}");
    }
    assert_eq!(
        of(&format!("{}, {}", token("a", HASH), token("a", &other))),
        [at(Code::DuplicateToken, "[1].name")]
    );
    assert_eq!(
        of(&format!("{}, {}", token("a", HASH), token("b", HASH))),
        [at(Code::DuplicateToken, "[1].sha256")]
    );
    assert_eq!(
        of(&format!("{{name: a, role: root, sha256: {HASH}}}"))[0].0,
        Code::UnknownValue,
        "there are three roles"
    );
    let findings = parse("{tokens: [{name: a, role: admin, sha256: isthmus_secret}]}").unwrap_err();
    assert!(
        !findings[0].to_string().contains("isthmus_secret"),
        "a secret in the wrong place is not repeated"
    );
}

#[test]
fn certificate_and_key_are_looked_at() {
    let files = Files::new("files");
    let of = |tls: &str| codes(&format!("{{{tls}}}"));
    let certificate = || (Code::BadCertificate, "management.tls.certificate".to_owned());
    let key = || (Code::BadCertificate, "management.tls.private-key".to_owned());
    assert_eq!(of(&files.tls()), []);
    assert_eq!(of(&files.with("key", "key")), [certificate()]);
    fs::copy(files.0.join("crt"), files.0.join("copy")).unwrap();
    assert_eq!(of(&files.with("crt", "copy")), [key()]);
    let other = Files::new("other");
    fs::copy(other.0.join("key"), files.0.join("other")).unwrap();
    assert_eq!(of(&files.with("crt", "other")), [key()], "the key of another certificate");
    let missing = parse(&format!("{{{}}}", files.with("crt", "missing"))).unwrap().warnings;
    assert_eq!(missing.len(), 1, "the file may be for another machine");
    assert_eq!((missing[0].code, missing[0].severity), (Code::BadCertificate, Severity::Warning));
    fs::set_permissions(files.0.join("key"), Permissions::from_mode(0o644)).unwrap();
    let open = (Code::OpenKey, "management.tls.private-key".to_owned());
    assert_eq!(of(&files.tls()), [open]);
    assert_eq!(of("tls: {certificate: x, private-key: /y}"), [(Code::BadPath, certificate().1)]);
}
