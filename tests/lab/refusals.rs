//! What a node refuses, with a diagnostic that says what and what to do.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{self, Lab, Namespace, NodeConfig, binary, run_command, try_run, wait};

/// Runs a node that must end by itself; what it said.
fn refused(lab: &Lab, namespace: &Namespace, yaml: &str) -> String {
    let file = lab.file("refused.yaml");
    fs::write(&file, yaml).unwrap();
    let (binary, file) = (binary().display().to_string(), file.display().to_string());
    let process = namespace.spawn(&[&binary, "run", "-c", &file]);
    let status = wait("the node ends by itself", Duration::from_secs(30), || {
        process.status().ok_or_else(|| format!("it runs:\n{}", process.output()))
    });
    assert!(!status.success(), "{}", process.output());
    process.output()
}

fn minimal(lab: &Lab, id: u8) -> String {
    let socket = lab.directory().join(format!("refused-{id}.sock"));
    format!(
        "node-id: {id}\nsegment: {}\nmanagement: {{unix-socket: {}}}\n",
        lab.segment().display(),
        socket.display()
    )
}

fn assert_says(output: &str, words: &[&str]) {
    for word in words {
        assert!(output.contains(word), "no `{word}` in:\n{output}");
    }
}

/// Input: a second node with the id of a live one. Output: it names the holder and ends; the holder goes on.
#[test]
fn a_second_node_with_a_live_id_is_refused() {
    lab::run("duplicate", |lab| {
        let [a, b] = ["n1", "n1b"].map(|name| lab.namespace(name));
        let node = lab.node(&a, NodeConfig::inside(1));
        node.await_ready();
        let holder = node.pid().expect("it runs").to_string();
        let output = refused(lab, &b, &minimal(lab, 1));
        assert_says(&output, &["duplicate-node-id", &holder, "remedy"]);
        assert_eq!(node.pid().map(|pid| pid.to_string()), Some(holder));
        node.await_ready();
    });
}

/// Input: the arena of a live node with another version in its header. Output: a joiner names both versions and ends.
#[test]
fn a_segment_of_another_version_is_refused() {
    lab::run("version", |lab| {
        let [a, b] = ["n1", "n2"].map(|name| lab.namespace(name));
        let node: Rc<_> = lab.node(&a, NodeConfig::inside(1));
        node.await_ready();
        let arena = lab.segment().join("node-001.arena");
        let file = OpenOptions::new().read(true).write(true).open(&arena).unwrap();
        let mut version = [0; 4];
        // docs/architecture: the version is the 32-bit word after the magic.
        file.read_exact_at(&mut version, 8).unwrap();
        let other = u32::from_le_bytes(version) + 76;
        file.write_all_at(&other.to_le_bytes(), 8).unwrap();
        let output = refused(lab, &b, &minimal(lab, 2));
        assert_says(&output, &["incompatible-segment", &other.to_string(), "remedy"]);
    });
}

/// Input: a joiner whose timers differ from those of the segment. Output: it names both values and ends.
#[test]
fn a_joiner_that_disagrees_is_refused() {
    lab::run("disagree", |lab| {
        let [a, b] = ["n1", "n2"].map(|name| lab.namespace(name));
        lab.node(&a, NodeConfig::inside(1)).await_ready();
        let yaml = format!("{}fabric: {{lsm: {{ospf: {{dead-interval: 7}}}}}}\n", minimal(lab, 2));
        assert_says(&refused(lab, &b, &yaml), &["incompatible-segment", "4", "7", "remedy"]);
    });
}

/// Input: a NIC that the machine does not have. Output: its name, the key and a remedy.
#[test]
fn an_unknown_interface_is_refused() {
    lab::run("interface", |lab| {
        let namespace = lab.namespace("n1");
        let yaml = format!("{}interfaces:\n  - name: nope0\n    address: 192.0.2.1/30\n", minimal(lab, 1));
        assert_says(
            &refused(lab, &namespace, &yaml),
            &["unknown-interface", "nope0", "interfaces[0].name", "remedy"],
        );
    });
}

/// Input: files that are wrong by themselves. Output: `check` and `run` refuse them alike, with code, line and remedy.
#[test]
fn wrong_files_are_refused_by_check_and_by_run() {
    lab::run("files", |lab| {
        let namespace = lab.namespace("n1");
        let binary = binary().display().to_string();
        let start = minimal(lab, 1);
        let wrong = [
            ("node-id: [1\n".to_owned(), "not-yaml", ":2:1:"),
            ("\u{1}\u{2}garbage: [}\n".to_owned(), "not-yaml", ":1:"),
            (start.replace("node-id: 1", "node-id: 300"), "out-of-range", ":1:1:"),
            (format!("{start}fabric: {{weight: 0}}\n"), "out-of-range", ":4:10:"),
            (
                format!(
                    "{start}interfaces:\n  - {{name: a, address: 10.0.0.1/24}}\n  - {{name: b, address: 10.0.0.2/16}}\n"
                ),
                "overlapping-prefixes",
                ":6:",
            ),
            (format!("{start}fabrik: {{}}\n"), "unknown-key", "did you mean `fabric`?"),
        ];
        for (yaml, code, place) in &wrong {
            let file = lab.file("check.yaml");
            fs::write(&file, yaml).unwrap();
            let checked = try_run(&[&binary, "check", &file.display().to_string()]);
            assert!(!checked.ok(), "{}", checked.text());
            assert_says(&checked.text(), &[code, place, "remedy"]);
            assert_says(&refused(lab, &namespace, yaml), &[code, "remedy"]);
        }

        // Root reads everything: a file that nobody can read is a missing one, or a directory.
        for path in ["/nonexistent.yaml", "/tmp"] {
            let checked = try_run(&[&binary, "check", path]);
            assert!(!checked.ok(), "{}", checked.text());
            assert_says(&checked.text(), &["unreadable-file", path, "remedy"]);
        }
        let unreadable = lab.file("secret.yaml");
        fs::write(&unreadable, start).unwrap();
        let unreadable = unreadable.display().to_string();
        run_command(&["chmod", "600", &unreadable]);
        let copy = lab.file("isthmus").display().to_string();
        // Nobody may not look into root's directories: the binary must be where it can be run from.
        run_command(&["install", "-m", "755", &binary, &copy]);
        let nobody =
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &copy, "check", &unreadable];
        let checked = try_run(&nobody);
        assert!(!checked.ok(), "{}", checked.text());
        assert_says(&checked.text(), &["unreadable-file", "ermission denied", "remedy"]);
    });
}
