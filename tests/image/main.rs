//! The container image: built by its script, read back by buildah, run as a node of the lab.
//!
//! Needs root and what `tests/run.sh` installs, as the lab does, and `ISTHMUS_STATIC_BIN`: the static binary that
//! `deploy/static.sh` makes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, Lab, Namespace, Node, NodeConfig, Output, Outside, Ping, await_cluster, run_command, try_run, wait,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The root of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The images, as `deploy/image/build.sh` writes them.
struct Images {
    docker: PathBuf,
    oci: PathBuf,
}

fn build(directory: &Path) -> Images {
    let binary =
        std::env::var("ISTHMUS_STATIC_BIN").expect("ISTHMUS_STATIC_BIN: what deploy/static.sh printed");
    let script = repository().join("deploy/image/build.sh");
    run_command(&[
        "env",
        &format!("ISTHMUS_BINARY={binary}"),
        script.to_str().unwrap(),
        directory.to_str().unwrap(),
    ]);
    Images { docker: directory.join("isthmus.tar"), oci: directory.join("isthmus.oci.tar") }
}

/// buildah with a storage of its own.
struct Storage {
    root: String,
}

impl Storage {
    fn new(lab: &Lab) -> Self {
        Self { root: lab.file("storage").display().to_string() }
    }

    fn buildah(&self, words: &[&str]) -> String {
        let run = format!("{}.run", self.root);
        let mut all = vec!["buildah", "--root", &self.root, "--runroot", &run, "--storage-driver", "vfs"];
        all.extend(words);
        run_command(&all).trim().to_owned()
    }

    /// A container of an archive; its id.
    fn from(&self, transport: &str, archive: &Path) -> String {
        self.buildah(&["from", "--quiet", &format!("{transport}:{}", archive.display())])
    }

    fn inspect(&self, container: &str) -> Value {
        serde_json::from_str(&self.buildah(&["inspect", container])).expect("what buildah says of it")
    }
}

fn words(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// Input: the image in both formats. Output: what a registry and a runtime read of it: labels, command, user-visible
/// settings, the health check in the format that has one; one layer, with a binary that needs no loader.
#[test]
fn the_image_says_what_it_is() {
    lab::run("image-labels", |lab| {
        let images = build(&lab.file("image"));
        let storage = Storage::new(lab);
        for (transport, archive) in [("docker-archive", &images.docker), ("oci-archive", &images.oci)] {
            let container = storage.from(transport, archive);
            let all = storage.inspect(&container);
            let config = if transport == "docker-archive" {
                &all["Docker"]["config"]
            } else {
                &all["OCIv1"]["config"]
            };
            let labels = &config["Labels"];
            for label in [
                "title",
                "version",
                "revision",
                "source",
                "licenses",
                "documentation",
                "description",
                "created",
            ] {
                let value = labels[format!("org.opencontainers.image.{label}")].as_str().unwrap_or_default();
                assert!(!value.is_empty(), "{transport}: no label {label}: {labels:#}");
            }
            let revision = run_command(&["git", "-C", repository().to_str().unwrap(), "rev-parse", "HEAD"]);
            assert_eq!(labels["org.opencontainers.image.revision"], revision.trim());
            assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
            assert_eq!(words(&config["Entrypoint"]), ["/usr/bin/isthmus"]);
            assert_eq!(words(&config["Cmd"]), ["run", "-c", "/etc/isthmus/isthmus.yaml"]);
            assert_eq!(config["ExposedPorts"], serde_json::json!({ "8080/tcp": {} }));
            for volume in ["/etc/isthmus", "/var/lib/isthmus", "/run/isthmus"] {
                assert!(config["Volumes"].get(volume).is_some(), "{transport}: no volume {volume}");
            }
            assert_eq!(config["StopSignal"], "SIGTERM");
            let health = &config["Healthcheck"]["Test"];
            if transport == "docker-archive" {
                assert_eq!(words(health), ["CMD", "/usr/bin/isthmus", "status", "--brief"]);
            }
            let layers = words(&all["OCIv1"]["rootfs"]["diff_ids"]);
            assert_eq!(layers.len(), 1, "{transport}: {layers:?}");
            let root = PathBuf::from(storage.buildah(&["mount", &container]));
            let programs = run_command(&["find", root.to_str().unwrap(), "-type", "f", "-perm", "/111"]);
            let binary = root.join("usr/bin/isthmus");
            assert_eq!(programs.trim(), binary.to_str().unwrap(), "there is one program in it");
            let headers = run_command(&["readelf", "--program-headers", binary.to_str().unwrap()]);
            assert!(!headers.contains("INTERP"), "it asks for a loader:\n{headers}");
        }
    });
}

/// Input: the same binary and commit, built twice. Output: the same OCI image, by its digest.
#[test]
fn the_same_commit_makes_the_same_image() {
    lab::run("image-again", |lab| {
        let digest = |archive: &Path| {
            let index = run_command(&["tar", "-xOf", archive.to_str().unwrap(), "index.json"]);
            let index: Value = serde_json::from_str(&index).expect("the index of the image");
            index["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
        };
        let [first, second] = ["first", "second"].map(|name| digest(&build(&lab.file(name)).oci));
        assert_eq!(first, second);
    });
}

/// A node in a container of the image.
struct Contained {
    node: Rc<Node>,
    health: Vec<String>,
}

impl Contained {
    fn start(lab: &Lab, namespace: &Rc<Namespace>, id: u8) -> Self {
        let images = build(&lab.file("image"));
        let storage = Storage::new(lab);
        let container = storage.from("docker-archive", &images.docker);
        let root = storage.buildah(&["mount", &container]);
        let settings = storage.inspect(&container)["Docker"]["config"].clone();
        let run = lab.file("run");
        fs::create_dir(&run).unwrap();
        let config = lab.file("isthmus.yaml");
        let segment = lab.segment().display().to_string();
        fs::write(&config, format!("node-id: {id}\nsegment: {segment}\n")).unwrap();
        // Read-only in a container: an operator or the runtime sets it, as the documentation says.
        namespace.sysctl("net.ipv4.conf.default.rp_filter", "2");
        let script = repository().join("tests/image/container.sh");
        let mut command = vec![
            script.display().to_string(),
            root,
            "+net_admin,+sys_nice".to_owned(),
            segment,
            config.display().to_string(),
            run.display().to_string(),
        ];
        command.extend(words(&settings["Entrypoint"]));
        command.extend(words(&settings["Cmd"]));
        let socket = run.join(format!("node-{id}.sock"));
        let node = lab.node_by_command(namespace, id, &config, &socket, command);
        let health = words(&settings["Healthcheck"]["Test"]).split_off(1);
        Self { node, health }
    }

    /// The process id, outside, of the first process inside: the child of the one that made its namespace.
    fn first_process(&self) -> u32 {
        let parent = self.node.pid().expect("it runs");
        wait("the container's first process", Duration::from_secs(30), || {
            let children = children_of(parent);
            children.first().map(|(pid, _)| *pid).ok_or_else(|| self.node.log())
        })
    }

    /// Runs a command of the image in the container, as `docker exec` does.
    fn execute(&self, command: &[&str]) -> Output {
        let pid = self.first_process().to_string();
        let mut words =
            vec!["nsenter", "--target", &pid, "--mount", "--pid", "--net", "--root", "--wd=/", "--"];
        words.extend(command);
        try_run(&words)
    }

    /// Runs a command of the machine among the container's processes.
    fn among_its_processes(&self, command: &[&str]) -> Output {
        let pid = self.first_process().to_string();
        let mut words = vec!["nsenter", "--target", &pid, "--pid", "--"];
        words.extend(command);
        try_run(&words)
    }
}

/// Children of a process and their states, as `/proc` has them.
fn children_of(parent: u32) -> Vec<(u32, char)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The second field is the command in parentheses, which may contain anything.
            let (_, rest) = stat.rsplit_once(") ")?;
            let mut fields = rest.split(' ');
            let state = fields.next()?.chars().next()?;
            (fields.next()?.parse() == Ok(parent)).then_some((pid, state))
        })
        .collect()
}

/// Input: node 2 in a container of the image, with a read-only root, two capabilities and its default command; node 1 is
/// the binary on the host, with FRR at its NIC. Output: one cluster that the host behind FRR reaches; the image's health
/// check passes; orphans are collected; SIGTERM to the container's first process ends it with 0, and node 1 sees it leave.
#[test]
fn a_node_in_a_container_is_a_node_like_any_other() {
    lab::run("image", |lab| {
        let [first, second] = ["n1", "n2"].map(|name| lab.namespace(name));
        let outside = Outside::build(lab, 1, &first, 1);
        let n1 = lab.node(&first, NodeConfig::border(1, &outside.node_device, "10.1.0.1/30"));
        let contained = Contained::start(lab, &second, 2);
        let n2 = &contained.node;
        await_cluster(&[&n1, n2]);
        n1.await_full(&outside.node_device, outside.router_id);
        n2.await_way(&outside.host_address, "lsm0", "10.77.0.1");
        Ping::await_answer(&outside.host, &n2.router_id());
        Ping::await_answer(&second, &outside.host_address);

        health_check_answers(&contained);
        names_are_looked_up_without_a_c_library(&contained);
        orphans_are_collected(&contained);
        the_first_process_leaves_in_order(&contained);
        n1.await_active(&[1]);
    });
}

fn health_check_answers(contained: &Contained) {
    let command: Vec<&str> = contained.health.iter().map(String::as_str).collect();
    let output = contained.execute(&command);
    assert!(output.ok(), "{}", output.text());
    assert!(output.stdout.starts_with("node 2: "), "{}", output.text());
    let output = contained.execute(&["/usr/bin/isthmus", "status", "--api", "unix:/run/isthmus/none.sock"]);
    assert!(!output.ok(), "a check that cannot fail: {}", output.text());
}

/// There is nothing in the image to look names up with but the binary itself: it must say so, and not fall.
fn names_are_looked_up_without_a_c_library(contained: &Contained) {
    let output = contained.execute(&["/usr/bin/isthmus", "status", "--api", "http://no.such.host:8080"]);
    assert_eq!(output.code, Some(3), "{}", output.text());
    assert!(output.stderr.contains("no.such.host"), "{}", output.text());
}

fn orphans_are_collected(contained: &Contained) {
    let pid = contained.first_process();
    let output = contained.among_its_processes(&["sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 0"]);
    assert!(output.ok(), "{}", output.text());
    let orphan = wait("the orphan is its child", Duration::from_secs(30), || match children_of(pid)[..] {
        [(orphan, 'S')] => Ok(orphan),
        ref children => Err(format!("{children:?}")),
    });
    kill_process(Pid::from_raw(orphan.cast_signed()).unwrap(), Signal::KILL).unwrap();
    wait("no zombie stays", Duration::from_secs(30), || {
        let children = children_of(pid);
        if children.is_empty() { Ok(()) } else { Err(format!("{children:?}")) }
    });
}

fn the_first_process_leaves_in_order(contained: &Contained) {
    let pid = Pid::from_raw(contained.first_process().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = wait("the container ends", Duration::from_secs(30), || {
        contained.node.status().ok_or_else(|| contained.node.log())
    });
    assert_eq!(status.code(), Some(0), "{}", contained.node.log());
    assert!(!contained.node.socket().exists(), "its socket is gone");
}
