//! The files of `deploy/` that other programs read, checked by what those programs go by; and every configuration in them
//! by `isthmus check`.
//!
//! Needs `ISTHMUS_DEPLOY_PYTHON`: a Python with `tests/deploy/requirements.txt`, which `tests/run.sh` makes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isthmus_tests::lab::{Output, binary, run_command, try_run};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn deploy(name: &str) -> String {
    let path = repository().join("deploy").join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path.display().to_string()
}

fn python() -> PathBuf {
    let python = std::env::var_os("ISTHMUS_DEPLOY_PYTHON");
    PathBuf::from(python.expect("ISTHMUS_DEPLOY_PYTHON: a Python with tests/deploy/requirements.txt"))
}

/// Runs one of the checks in `check.py`.
fn check(what: &str, files: &[&str]) -> Output {
    let (python, script) = (python().display().to_string(), repository().join("tests/deploy/check.py"));
    let mut words = vec![python.as_str(), script.to_str().unwrap(), what];
    words.extend(files);
    try_run(&words)
}

fn assert_right(what: &str, files: &[&str]) {
    let output = check(what, files);
    assert!(output.ok(), "{what}: {}", output.text());
}

/// A copy of a file with one change, which must be refused for a reason with this word in it.
fn assert_refused(what: &str, file: &str, change: (&str, &str), word: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(change.0), "{file} has no `{}`", change.0);
    let directory = scratch(&format!("refused-{what}"));
    let copy = directory.join(Path::new(file).file_name().unwrap());
    fs::write(&copy, text.replacen(change.0, change.1, 1)).unwrap();
    let output = check(what, &[copy.to_str().unwrap()]);
    assert!(!output.ok() && output.stdout.contains(word), "{what}: {}", output.text());
    fs::remove_dir_all(directory).unwrap();
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("isthmus-deploy-{}-{name}", std::process::id()));
    // Of an earlier process with this id.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    directory
}

fn assert_configuration(name: &str, file: &Path) {
    let output = try_run(&[binary().to_str().unwrap(), "check", file.to_str().unwrap()]);
    assert!(output.ok(), "{name}: {}", output.text());
}

/// The node configurations inside a file of Kubernetes or Compose.
fn assert_configurations_inside(files: &[&str], expected: usize) {
    let output = check("configurations", files);
    assert!(output.ok(), "{}", output.text());
    let found: BTreeMap<String, String> = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(found.len(), expected, "{:?}", found.keys());
    let directory = scratch(&format!("inside-{expected}"));
    for (name, text) in &found {
        let file = directory.join("isthmus.yaml");
        fs::write(&file, text).unwrap();
        assert_configuration(name, &file);
    }
    fs::remove_dir_all(directory).unwrap();
}

/// Input: all objects. Output: the schemas of Kubernetes take them, with no key that they do not know; the kustomization
/// names files that are there; both configurations are right.
#[test]
fn the_objects_are_what_kubernetes_takes() {
    let file = |name: &str| deploy(&format!("kubernetes/{name}"));
    let names = ["namespace", "daemonset", "workload", "network-policy"];
    let files: Vec<String> = names.iter().map(|name| file(&format!("{name}.yaml"))).collect();
    assert_right("kubernetes", &files.iter().map(String::as_str).collect::<Vec<_>>());
    assert_right("kustomization", &[&file("kustomization.yaml")]);
    assert_configuration("gateway.yaml", Path::new(&file("gateway.yaml")));
    assert_configurations_inside(&[&file("workload.yaml")], 1);
    let present = fs::read_dir(repository().join("deploy/kubernetes")).unwrap().count();
    // With the kustomization, the configuration and the folder of the monitoring.
    assert_eq!(present, names.len() + 3, "a file that no check looks at");

    assert_refused(
        "kubernetes",
        &file("daemonset.yaml"),
        ("readinessProbe:", "readynessProbe:"),
        "readynessProbe",
    );
}

/// Input: what the Prometheus operator needs beside the gateways. Output: its kustomization names what is there, the
/// daemonset with its patch is what Kubernetes takes, and the configuration is right once its certificate is there.
#[test]
fn the_objects_of_the_monitoring_fit_the_gateways() {
    let file = |name: &str| deploy(&format!("kubernetes/monitoring/{name}.yaml"));
    assert_right("kustomization", &[&file("kustomization")]);
    assert_right("kubernetes", &[&file("service")]);
    assert_right("patched", &[&deploy("kubernetes/daemonset.yaml"), &file("daemonset-patch")]);
    assert_right("servicemonitor", &[&file("service-monitor")]);
    let present = fs::read_dir(repository().join("deploy/kubernetes/monitoring")).unwrap().count();
    assert_eq!(present, 5, "a file that no check looks at");
    assert_refused(
        "servicemonitor",
        &file("service-monitor"),
        ("scheme: https", "scheme: http"),
        "not asked for",
    );

    let directory = scratch("monitoring");
    let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let curve = "ec_paramgen_curve:P-256";
    run_command(&[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        curve,
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=isthmus",
        "-keyout",
        key,
        "-out",
        certificate,
    ]);
    let text = fs::read_to_string(file("gateway")).unwrap();
    let configuration = directory.join("gateway.yaml");
    fs::write(&configuration, text.replace("/etc/isthmus-tls", directory.to_str().unwrap())).unwrap();
    assert_configuration("gateway.yaml", &configuration);
    fs::remove_dir_all(directory).unwrap();
}

/// Input: the containers of all objects. Output: none is privileged; each drops all capabilities and adds by name.
#[test]
fn no_container_is_privileged() {
    for name in ["daemonset", "workload"] {
        let text = fs::read_to_string(deploy(&format!("kubernetes/{name}.yaml"))).unwrap();
        assert!(!text.contains("privileged: true") && text.contains("privileged: false"), "{name}");
        assert!(text.contains("drop: [ALL]") && !text.contains("SYS_ADMIN"), "{name}");
    }
    let compose = fs::read_to_string(deploy("compose/compose.yaml")).unwrap();
    assert!(compose.contains("cap_drop: [ALL]") && !compose.contains("privileged"));
}

/// Input: the Compose file. Output: the schema of the Compose specification takes it, and the configurations are right.
#[test]
fn the_compose_file_is_of_the_specification() {
    let program = python().with_file_name("check-jsonschema").display().to_string();
    let validate = |file: &str| try_run(&[&program, "--builtin-schema", "vendor.compose-spec", file]);
    let file = deploy("compose/compose.yaml");
    let output = validate(&file);
    assert!(output.ok(), "{}", output.text());
    assert_configurations_inside(&[&file], 3);
    let directory = scratch("compose");
    let wrong = directory.join("compose.yaml");
    fs::write(&wrong, fs::read_to_string(&file).unwrap().replace("cap_drop", "cap_drp")).unwrap();
    let output = validate(wrong.to_str().unwrap());
    assert!(!output.ok() && output.text().contains("cap_drp"), "{}", output.text());
    fs::remove_dir_all(directory).unwrap();
}

/// Input: the topology and its files. Output: its keys are containerlab's, its links join nodes that are there, the nodes'
/// configurations are right, and FRR takes its own.
#[test]
fn the_topology_is_what_containerlab_takes() {
    let file = deploy("containerlab/isthmus.clab.yml");
    assert_right("containerlab", &[&file]);
    for name in ["n1.yaml", "n2.yaml"] {
        assert_configuration(name, Path::new(&deploy(&format!("containerlab/{name}"))));
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("--wait-interfaces"), "cables come after the start");
    run_command(&["/usr/lib/frr/ospfd", "--dryrun", "--config_file", &deploy("containerlab/frr.conf")]);
    assert_refused("containerlab", &file, ("n1:eth1", "n7:eth1"), "n7");
}

/// Input: the unit, with the binary of this build in its commands. Output: systemd takes every line of it, and finds the
/// service confined.
#[test]
fn the_unit_is_one_that_systemd_takes() {
    let text = fs::read_to_string(deploy("systemd/isthmus.service")).unwrap();
    let directory = scratch("systemd");
    let unit = directory.join("isthmus.service");
    let verify = |text: &str| {
        fs::write(&unit, text.replace("/usr/bin/isthmus", binary().to_str().unwrap())).unwrap();
        try_run(&["systemd-analyze", "verify", "--man=no", unit.to_str().unwrap()])
    };
    let output = verify(&text);
    assert!(output.ok() && output.stderr.is_empty(), "{}", output.text());
    // Of 100: the greater, the less confined.
    let words = ["systemd-analyze", "security", "--offline=true", "--threshold=35", unit.to_str().unwrap()];
    let output = try_run(&words);
    assert!(output.ok(), "{}", output.text());
    let output = verify(&text.replace("WatchdogSec=", "WatchdogSecs="));
    assert!(output.text().contains("WatchdogSecs"), "{}", output.text());
    fs::remove_dir_all(directory).unwrap();
}
