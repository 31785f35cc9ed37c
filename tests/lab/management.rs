//! The management plane beyond the host: with tokens and TLS, or not at all.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{self, Lab, Namespace, Node, NodeConfig, Protection, ROLES, binary};
use rustix::process::Signal;

/// The address of the only cable, and the port.
const NODE: &str = "192.0.2.1";
const API: &str = "https://192.0.2.1:8443";

struct Setup {
    outside: Rc<Namespace>,
    node: Rc<Node>,
    protection: Protection,
}

impl Setup {
    /// A node that listens on all its addresses, and another host at the end of a cable.
    fn new(lab: &Lab) -> Self {
        let [inside, outside] = ["n1", "host"].map(|name| lab.namespace(name));
        lab.cable((&inside, "eth1"), (&outside, "eth1"));
        inside.address("eth1", &format!("{NODE}/24"));
        outside.address("eth1", "192.0.2.2/24");
        let protection = Protection::new(lab, &[NODE]);
        let config = protection.protect(NodeConfig::inside(1).managed("listen: '0.0.0.0:8443'"));
        let node = lab.node(&inside, config);
        node.await_ready();
        Self { outside, node, protection }
    }

    /// The command line on the other host; its output and its exit code.
    fn cli(&self, token: Option<&str>, words: &[&str]) -> (String, Option<i32>) {
        let (binary, certificate) = (binary().display().to_string(), self.protection.certificate());
        let certificate = certificate.display().to_string();
        let mut all = vec![binary.as_str(), "--api", API, "--ca-file", &certificate];
        let file = token.map(|role| self.protection.token(role).display().to_string());
        if let Some(file) = &file {
            all.extend(["--token-file", file]);
        }
        all.extend(words);
        let output = self.outside.try_run(&all);
        (output.text(), output.code)
    }

    fn curl(&self, words: &[&str]) -> String {
        self.outside.try_run(&[&["curl", "-sS", "--max-time", "20"], words].concat()).text()
    }
}

/// Input: another host with no token, a wrong one, and one of each role. Output: everybody gets what the role may, and is
/// told what is missing; no secret is in the node's log.
#[test]
fn another_host_is_served_by_its_token() {
    lab::run("tokens", |lab| {
        let setup = Setup::new(lab);
        for (token, words, says, code) in [
            (None, &["status"][..], "the request carries no token", 4),
            (Some("viewer"), &["status", "--brief"], "node 1: ok", 0),
            (
                Some("viewer"),
                &["ping", "10.77.0.1", "-c", "1"],
                "needs the role operator; `the-viewer` is viewer",
                4,
            ),
            (Some("operator"), &["ping", "10.77.0.1", "-c", "1"], "1 sent, 1 received", 0),
            (Some("admin"), &["interface", "disable", "gsm0"], "gsm0", 0),
        ] {
            let (output, exit) = setup.cli(token, words);
            assert!(output.contains(says) && exit == Some(code), "{token:?} {words:?}: {exit:?}\n{output}");
        }
        let certificate = setup.protection.certificate().display().to_string();
        let url = format!("{API}/api/v1/system");
        let bearer = |secret: &str| format!("Authorization: Bearer {secret}");
        let good = bearer(&setup.protection.secret("viewer"));
        let system = setup.curl(&["--cacert", &certificate, "-H", &good, &url]);
        assert!(system.contains("\"node-id\":1"), "{system}");
        let wrong = setup.curl(&["--cacert", &certificate, "-i", "-H", &bearer("isthmus_wrong"), &url]);
        assert!(wrong.contains("401 Unauthorized") && wrong.contains("invalid_token"), "{wrong}");
        let stranger = setup.curl(&["-H", &good, &url]);
        assert!(stranger.contains("certificate"), "{stranger}");
        let plain = setup.curl(&["-H", &good, &url.replace("https", "http")]);
        assert!(plain.contains("this address speaks TLS"), "{plain}");
        let counters = setup.node.cli(&["show", "counters"]);
        assert!(
            counters.contains("refused-missing-token") && counters.contains("refused-role"),
            "{counters}"
        );
        let events = setup.node.cli(&["show", "events", "--type", "authentication-failure"]);
        assert!(events.contains("from 192.0.2.2:"), "{events}");
        for role in ROLES {
            assert!(!setup.node.log().contains(&setup.protection.secret(role)), "a secret in the log");
        }
    });
}

/// Input: another certificate and another token in the file, and SIGHUP. Output: new connections see both; the old token
/// is refused.
#[test]
fn tokens_and_certificates_change_without_a_restart() {
    lab::run("renewal", |lab| {
        let mut setup = Setup::new(lab);
        let next = Protection::new(lab, &[NODE]);
        let old = std::mem::replace(&mut setup.protection, next);
        let file = setup.node.config();
        let text = fs::read_to_string(file).unwrap();
        let hash = |protection: &Protection, role: &str| {
            fs::read_to_string(protection.token(role).with_extension("sha256")).unwrap()
        };
        let mut changed = text;
        for role in ROLES {
            changed = changed.replace(&hash(&old, role), &hash(&setup.protection, role));
        }
        fs::write(file, changed).unwrap();
        // The certificate changes in its place, as it is renewed.
        for name in ["tls.crt", "tls.key"] {
            fs::copy(
                setup.protection.certificate().with_file_name(name),
                old.certificate().with_file_name(name),
            )
            .unwrap();
        }
        setup.node.signal(Signal::HUP);
        lab::wait("the new token is taken", Duration::from_secs(30), || {
            let (output, code) = setup.cli(Some("viewer"), &["status", "--brief"]);
            if code == Some(0) { Ok(()) } else { Err(output) }
        });
        let former = format!("Authorization: Bearer {}", old.secret("admin"));
        let certificate = setup.protection.certificate().display().to_string();
        let refused = setup.curl(&["--cacert", &certificate, "-i", "-H", &former, &format!("{API}/metrics")]);
        assert!(refused.contains("401 Unauthorized"), "{refused}");
    });
}

/// Input: a follower on another host, and a node that ends. Output: it sees what happens, and does not hold the end up.
#[test]
fn events_are_followed_from_another_host() {
    lab::run("follow", |lab| {
        let setup = Setup::new(lab);
        let certificate = setup.protection.certificate().display().to_string();
        let token = setup.protection.token("viewer").display().to_string();
        let follower = setup.outside.spawn(&[
            &binary().display().to_string(),
            "--api",
            API,
            "--ca-file",
            &certificate,
            "--token-file",
            &token,
            "show",
            "events",
            "-f",
            "-o",
            "json",
        ]);
        let sees = |what: &str| {
            lab::wait(what, Duration::from_secs(30), || {
                let output = follower.output();
                if output.contains(what) { Ok(()) } else { Err(output) }
            });
        };
        sees("steering-change");
        setup.node.cli(&["interface", "disable", "gsm0"]);
        sees("admin-status-change");
        assert!(setup.node.terminate());
        assert!(follower.is_running(), "it waits for the node to come back");
        setup.node.start();
        sees("\"restarted\":true");
    });
}

/// Input: configurations that are open to other hosts without tokens, or without TLS. Output: the node does not start,
/// and says what to do.
#[test]
fn a_node_that_is_open_to_other_hosts_does_not_start_unprotected() {
    lab::run("unprotected", |lab| {
        let namespace = lab.namespace("n1");
        let protection = Protection::new(lab, &[NODE]);
        for key in ["listen: '0.0.0.0:8443'", "in-band-port: 9100"] {
            let file = lab.file("unprotected.yaml");
            let head = format!("node-id: 1\nsegment: {}\n", lab.segment().display());
            fs::write(&file, format!("{head}management: {{unix-socket: none, {key}}}\n")).unwrap();
            let (binary, file) = (binary().display().to_string(), file.display().to_string());
            let output = namespace.try_run(&[&binary, "run", "-c", &file]);
            assert_eq!(output.code, Some(1), "{}", output.text());
            for says in ["unprotected", "isthmus token create --name admin", "openssl req -x509"] {
                assert!(output.text().contains(says), "{}", output.text());
            }
        }
        // With a certificate that is not there, the check warns and the start refuses.
        let file = lab.file("missing.yaml");
        let missing = lab.directory().join("missing");
        let hash = fs::read_to_string(protection.token("viewer").with_extension("sha256")).unwrap();
        let text = format!(
            "node-id: 1\nsegment: {}\nmanagement:\n  unix-socket: none\n  listen: 0.0.0.0:8443\n  \
             tokens: [{{name: a, role: viewer, sha256: {hash}}}]\n  \
             tls: {{certificate: {missing}.crt, private-key: {missing}.key}}\n",
            lab.segment().display(),
            missing = missing.display()
        );
        fs::write(&file, text).unwrap();
        let (binary, file) = (binary().display().to_string(), file.display().to_string());
        let checked = namespace.try_run(&[&binary, "check", &file]);
        assert!(checked.ok() && checked.text().contains("bad-certificate"), "{}", checked.text());
        let started = namespace.try_run(&[&binary, "run", "-c", &file]);
        assert_eq!(started.code, Some(1), "{}", started.text());
        assert!(started.text().contains("error[bad-certificate]"), "{}", started.text());
    });
}
