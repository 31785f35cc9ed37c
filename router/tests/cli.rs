//! The `isthmus` command itself, before a node of fixed answers on a real unix socket: every command that asks a node
//! works, its JSON is the body of the API's answer, and failures end with their exit code, cause and remedy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../mgmt-api/tests/http/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the API, which use all of it")]
mod fake;
#[path = "../../mgmt-api/tests/http/fake_config.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the API, which use all of it")]
mod fake_config;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::JoinHandle;

use isthmus::cli::client::Client;
use isthmus_mgmt_api::{Access, UnixSocket, app, serve};
use serde_json::Value;
use tokio::sync::oneshot;

use fake::FakeNode;

/// A node on a unix socket, ended when dropped.
struct Node {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    fn start(backend: FakeNode) -> Self {
        Self::start_at(unused_path(), backend)
    }

    fn start_at(path: PathBuf, backend: FakeNode) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, listening) = std::sync::mpsc::channel();
        let socket_path = path.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = UnixSocket::bind(&socket_path).await.unwrap();
                ready.send(()).unwrap();
                let app = app(Arc::new(backend), Access::Full);
                serve(socket, app, async { drop(stopped.await) }).await.unwrap();
            });
        });
        listening.recv().unwrap();
        Self { path, stop: Some(stop), thread: Some(thread) }
    }

    fn isthmus(&self, arguments: &[&str]) -> Output {
        isthmus(&self.path, arguments)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn unused_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::env::temp_dir().join(format!(
        "isthmus-cli-{}-{}.sock",
        std::process::id(),
        NEXT.fetch_add(1, Relaxed)
    ))
}

fn isthmus(api: &Path, arguments: &[&str]) -> Output {
    let api = format!("unix:{}", api.display());
    Command::new(env!("CARGO_BIN_EXE_isthmus")).args(arguments).env("ISTHMUS_API", api).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn the_json_of_every_show_command_is_the_body_of_its_resource() {
    let node = Node::start(FakeNode::default());
    let client = Client::unix(&node.path);
    for (command, path) in [
        ("status", "/system"),
        ("show system", "/system"),
        ("show interface", "/interfaces"),
        ("show interface lsm0", "/interfaces/lsm0"),
        ("show route", "/routing/ribs/ipv4-default/routes"),
        ("show fib", "/routing/fib"),
        ("show arp", "/neighbors"),
        ("show arp eth1", "/interfaces/eth1/neighbors"),
        ("show shm", "/shm"),
        ("show shm nodes", "/shm/nodes"),
        ("show shm rings", "/shm/rings"),
        ("show steering", "/steering"),
        ("show counters", "/counters"),
        ("show drops", "/counters/drops"),
        ("show events", "/events/recent"),
        ("show events --limit 1 --type shm-connected", "/events/recent?limit=1&type=shm-connected"),
        ("show config", "/config?with-defaults=report-all"),
        ("config show", "/config"),
        ("config show 1", "/config/history/1"),
        ("config history", "/config/history"),
        ("show ospf", "/ospf"),
        ("sh os nei", "/ospf/neighbors"),
        ("show ospf interface", "/ospf/interfaces"),
        ("show ospf interface lsm0", "/ospf/areas/0.0.0.1/interfaces/lsm0"),
        ("show ospf database", "/ospf/database"),
        (
            "show ospf database router --area 0.0.0.1 --adv-router 10.71.0.3",
            "/ospf/areas/0.0.0.1/database?lsa-type=router&adv-router=10.71.0.3",
        ),
        ("show ospf route", "/ospf/local-rib"),
        ("show ospf border-routers", "/ospf/border-routers"),
        ("show ospf spf-log", "/ospf/spf-log"),
        ("show ospf area", "/ospf/areas"),
        ("route get 192.0.2.7 --explain", "/routing/fib/lookup?dst=192.0.2.7&explain"),
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        for form in ["table", "wide", "yaml"] {
            let shown = node.isthmus(&[&arguments[..], &["-o", form]].concat());
            assert!(
                shown.status.success() && !shown.stdout.is_empty(),
                "{command} -o {form}: {}",
                stderr(&shown)
            );
        }
        arguments.extend(["-o", "json"]);
        let shown = node.isthmus(&arguments);
        let document: Value = serde_json::from_str(stdout(&shown)).expect(command);
        assert_eq!(document, client.get(&format!("/api/v1{path}")).unwrap(), "{command}");
    }
}

#[test]
fn neighbors_are_shown_in_the_columns_of_other_routers() {
    let node = Node::start(FakeNode::default());
    let shown = node.isthmus(&["show", "ospf", "neighbor"]);
    let heading: Vec<&str> = stdout(&shown).lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        heading.join(" "),
        "Neighbor ID Pri State Up Time Dead Time Address Interface RXmtL RqstL DBsmL"
    );
}

#[test]
fn status_tells_a_well_node_from_one_that_has_failed() {
    let well = Node::start(FakeNode::default());
    let brief = well.isthmus(&["status", "--wait", "5", "--brief"]);
    assert_eq!(stdout(&brief), "node 1: ok, abr (eth1 is up in area 0.0.0.0), up 1m05s\n");
    assert_eq!(brief.status.code(), Some(0));
    let failed = Node::start(FakeNode { failed: true, ..FakeNode::default() });
    let status = failed.isthmus(&["status"]);
    assert!(stdout(&status).contains("fabric  failed: 3 of 3 nodes are active"), "{}", stdout(&status));
    assert_eq!(status.status.code(), Some(1));
    let waited = failed.isthmus(&["status", "--wait", "0.1"]);
    assert_eq!(waited.status.code(), Some(1));
    assert!(stderr(&waited).contains("not ready after 0.1 s: the fabric"), "{}", stderr(&waited));
}

#[test]
fn an_interface_is_disabled_and_enabled() {
    let node = Node::start(FakeNode::default());
    for (action, expected) in [("disable", "down"), ("enable", "up")] {
        let done = node.isthmus(&["interface", action, "lsm0", "-o", "json"]);
        let document: Value = serde_json::from_str(stdout(&done)).unwrap();
        assert_eq!(document["admin-status"], expected);
    }
    let refused = node.isthmus(&["interface", "disable", "eth9"]);
    assert_eq!(refused.status.code(), Some(4));
    assert_eq!(
        stderr(&refused),
        "isthmus: there is no interface `eth9` in the configuration\n  create it with PUT, or use a name that GET /api/v1/interfaces lists\n"
    );
}

#[test]
fn the_configuration_is_compared_applied_confirmed_and_rolled_back() {
    let node = Node::start(FakeNode::default());
    let file = unused_path();
    let written = |text: &str| std::fs::write(&file, text).unwrap();
    let config = |arguments: &str| {
        let name = file.to_str().unwrap();
        let words: Vec<&str> =
            arguments.split(' ').map(|word| if word == "FILE" { name } else { word }).collect();
        let done = node.isthmus(&[&["config"], &words[..]].concat());
        (done.status.code().unwrap(), stdout(&done).to_owned(), stderr(&done).to_owned())
    };
    written("hostname: other");
    let (code, shown, _) = config("diff FILE");
    assert_eq!(code, 1, "they differ");
    assert!(
        shown.starts_with("hostname  (immediate: the node is called so)\n  - node1\n  + other\n"),
        "{shown}"
    );
    assert!(shown.ends_with("not applied: a dry run\n"), "{shown}");
    assert_eq!(config("check FILE").0, 0);

    let (code, shown, _) = config("apply FILE --confirm 1m");
    assert!(code == 0 && shown.contains("taken back at 2033-05-18T03:33:20"), "{shown}");
    let (code, _, refused) = config("apply FILE");
    assert_eq!((code, refused.as_str()), (4, "isthmus: a change waits\n  confirm it\n"));
    assert_eq!(config("confirm").1, "confirmed, and written to the file\n");
    assert_eq!(config("confirm").0, 4);
    let (_, history, _) = config("history");
    assert!(history.lines().nth(1).unwrap().trim_start().starts_with("2  runs"), "{history}");

    assert_eq!(config("rollback --dry-run").0, 0);
    let (code, shown, _) = config("rollback");
    assert!(code == 0 && shown.contains("applied: revision "), "{shown}");
    assert!(config("show").1.contains("hostname: node1"), "number 1 runs again");
    assert_eq!(config("rollback 77").0, 4);

    written("hostname: ");
    let (code, shown, _) = config("check FILE");
    assert_eq!((code, shown.as_str()), (1, "error: hostname: the name is empty\n  name it\n"));
    let (code, shown, _) = config("check FILE -o json");
    let problem: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &problem["diagnostics"][0]["code"]), (1, &Value::from("bad-name")));
    std::fs::remove_file(&file).unwrap();
    let (code, _, error) = config("apply FILE");
    assert!(code == 5 && error.starts_with("isthmus: cannot read "), "{error}");
    assert_eq!(config("apply FILE --confirm 0").0, 2);
}

#[test]
fn ping_and_traceroute_write_lines_as_they_come() {
    let node = Node::start(FakeNode::default());
    let ping = node.isthmus(&["ping", "192.0.2.1", "-c", "2"]);
    assert!(stdout(&ping).starts_with("56 octets from 192.0.2.1: seq=1 ttl=63 time=250.000 ms\n"));
    assert!(stdout(&ping).contains("2 sent, 2 received, 0.0 % loss"));
    let lines = node.isthmus(&["ping", "192.0.2.1", "-c", "2", "-o", "json"]);
    let lines: Vec<Value> = stdout(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[2]["summary"]["received"]), (3, &Value::from(2)));
    let traceroute = node.isthmus(&["traceroute", "192.0.2.1"]);
    assert_eq!(stdout(&traceroute), " 1  *\nnot reached within 1 hops\n");
    assert_eq!(traceroute.status.code(), Some(1));
}

#[test]
fn a_capture_goes_to_a_file_or_to_standard_output() {
    let node = Node::start(FakeNode::default());
    let piped = node.isthmus(&["capture", "lsm0", "-w", "-", "--count", "1"]);
    assert_eq!(stdout(&piped), "headerframe");
    let file = unused_path();
    let written = node.isthmus(&["capture", "lsm0", "-w", file.to_str().unwrap(), "--duration", "0.05"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    assert_eq!(std::fs::read(&file).unwrap(), b"headerframe");
    std::fs::remove_file(&file).unwrap();
    let nowhere = node.isthmus(&["capture", "lsm0", "-w", "/nowhere/x.pcapng", "--count", "1"]);
    assert_eq!(nowhere.status.code(), Some(5));
    assert!(stderr(&nowhere).starts_with("isthmus: cannot write /nowhere/x.pcapng: No such file"));
}

#[test]
fn without_a_node_the_cause_and_the_remedy_are_named() {
    let path = unused_path();
    let shown = isthmus(&path, &["show", "system"]);
    assert_eq!(shown.status.code(), Some(3));
    assert!(stderr(&shown).starts_with(&format!("isthmus: cannot connect to unix:{}: ", path.display())));
    assert!(stderr(&shown).contains("is the node running?"));
    let usage = isthmus(&path, &["show", "system", "--api", "localhost"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(
        stderr(&usage)
            .contains("write unix:/run/isthmus/node-1.sock, http://127.0.0.1:8080 or https://HOST:PORT")
    );
    assert_eq!(isthmus(&path, &["frobnicate"]).status.code(), Some(2));
}

#[test]
fn commands_that_need_no_node() {
    let path = unused_path();
    let schema: Value = serde_json::from_str(stdout(&isthmus(&path, &["schema"]))).unwrap();
    assert!(schema["properties"].is_object());
    let version = isthmus(&path, &["version"]);
    assert_eq!(stdout(&version), concat!("isthmus ", env!("CARGO_PKG_VERSION"), "\n"));
    let refused = isthmus(&path, &["check", "/nowhere/node.yaml"]);
    assert_eq!(refused.status.code(), Some(1));
    let report: Value =
        serde_json::from_str(stdout(&isthmus(&path, &["check", "/nowhere/node.yaml", "-o", "json"])))
            .unwrap();
    assert_eq!(report["valid"], false);
}

/// Lines of a command that goes on until it is told to end.
struct Following {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Following {
    fn start(api: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        command.args(arguments).env("ISTHMUS_API", format!("unix:{}", api.display()));
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Presses Ctrl-C; the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn events_are_followed_until_ctrl_c_and_across_a_restart_of_the_node() {
    let node = Node::start(FakeNode::default());
    let mut follow = Following::start(&node.path, &["show", "events", "-f", "--limit", "1"]);
    assert!(follow.line().contains("shm-allocated"));
    assert_eq!(follow.interrupt(), Some(0));
    // The test's node gives what comes after its third event, and has four from its second life on.
    let mut follow = Following::start(&node.path, &["show", "events", "-f", "-o", "json"]);
    for sequence in 1..=3 {
        let event: Value = serde_json::from_str(&follow.line()).unwrap();
        assert_eq!(event["sequence"], sequence);
    }
    let path = node.path.clone();
    drop(node);
    let node = Node::start_at(path, FakeNode { later_event: true, ..FakeNode::default() });
    let event: Value = serde_json::from_str(&follow.line()).unwrap();
    assert_eq!((&event["sequence"], &event["type"]), (&4.into(), &"shm-left".into()));
    assert_eq!(follow.interrupt(), Some(0));
    let refused = node.isthmus(&["monitor", "--type", "nothing"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(stderr(&refused).contains("there is no type of events `nothing`"), "{}", stderr(&refused));
}

#[test]
fn tokens_are_made_without_a_node_and_never_taken_from_the_command_line() {
    let path = unused_path();
    let created = isthmus(&path, &["token", "create", "--name", "ci", "--role", "admin", "-o", "json"]);
    let document: Value = serde_json::from_str(stdout(&created)).unwrap();
    let secret = document["secret"].as_str().unwrap();
    let hash = isthmus_mgmt_api::access::TokenHash::of(secret).to_string();
    assert_eq!((&document["sha256"], &document["role"]), (&hash.clone().into(), &"admin".into()));
    let text = isthmus(&path, &["token", "create", "--name", "ci", "--role", "viewer"]);
    let yaml: Value = serde_yaml::from_str(stdout(&text)).expect("lines for the file");
    let lines = &yaml["management"]["tokens"][0];
    assert_eq!((&lines["name"], &lines["role"]), (&"ci".into(), &"viewer".into()));
    assert_eq!(stdout(&text).matches("isthmus_").count(), 1, "the secret is shown once");
    let refused = isthmus(&path, &["--token", secret, "status"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--token-file"), "{}", stderr(&refused));
    let role = isthmus(&path, &["token", "create", "--name", "ci", "--role", "root"]);
    assert!(stderr(&role).contains("viewer, operator and admin"), "{}", stderr(&role));
}

#[test]
fn a_token_does_not_travel_in_clear_text() {
    let command = |api: &str, token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        command.args(["--api", api, "status"]).env_remove("ISTHMUS_API");
        if let Some(token) = token {
            command.env("ISTHMUS_TOKEN", token);
        }
        command.output().unwrap()
    };
    let refused = command("http://192.0.2.1:8080", Some("isthmus_secret"));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("not encrypted") && !stderr(&refused).contains("isthmus_secret"));
    for private in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://127.0.0.1:1"] {
        assert_eq!(command(private, Some("isthmus_secret")).status.code(), Some(3), "{private}");
    }
    assert_eq!(command("http://127.0.0.1:1", Some("two words")).status.code(), Some(2));
}
