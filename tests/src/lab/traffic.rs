//! Traffic between kernels: ping, traceroute, iperf3, HTTP.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Lab;
use super::command::Output;
use super::namespace::Namespace;
use super::process::Process;
use super::wait::wait;

/// What came of some echo requests.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Requests sent.
    pub sent: u32,
    /// Answers.
    pub received: u32,
    /// Time to live of each answer.
    pub ttls: Vec<u8>,
    /// The whole output.
    pub output: String,
}

impl Ping {
    /// Sends five echo requests with further options of ping(8).
    pub fn run(from: &Namespace, to: &str, options: &[&str]) -> Self {
        let mut words = vec!["ping", "-n", "-c", "5", "-i", "0.1", "-W", "2"];
        words.extend(options);
        words.push(to);
        Self::parse(&from.try_run(&words))
    }

    fn parse(output: &Output) -> Self {
        let number = |line: &str, before: &str| -> Option<u32> {
            let end = line.find(before)?;
            line[..end].rsplit([' ', ',']).find(|word| !word.is_empty())?.parse().ok()
        };
        let summary =
            output.stdout.lines().find(|line| line.contains("packets transmitted")).unwrap_or_default();
        let ttl = |line: &str| line.split("ttl=").nth(1)?.split(' ').next()?.parse().ok();
        Self {
            sent: number(summary, " packets transmitted").unwrap_or_default(),
            received: number(summary, " received").unwrap_or_default(),
            ttls: output.stdout.lines().filter_map(ttl).collect(),
            output: output.text(),
        }
    }

    /// Whether every request was answered, once.
    pub fn all(&self) -> bool {
        self.sent > 0 && self.sent == self.received
    }

    /// Waits until a destination answers.
    pub fn await_answer(from: &Namespace, to: &str) {
        wait(&format!("{} pings {to}", from.name()), Duration::from_secs(60), || {
            let output = from.try_run(&["ping", "-n", "-c", "1", "-W", "1", to]);
            if output.ok() { Ok(()) } else { Err(output.text()) }
        });
    }
}

/// Echo requests in the background, ten in a second.
pub struct Pinger {
    process: Process,
}

impl Pinger {
    /// Starts them.
    pub fn start(from: &Namespace, to: &str) -> Self {
        Self { process: from.spawn(&["ping", "-n", "-i", "0.1", "-O", to]) }
    }

    /// Answers so far.
    pub fn answers(&self) -> usize {
        self.process.output().matches("bytes from").count()
    }

    /// Waits until there are more answers than now.
    pub fn await_more(&self, more: usize) {
        let wanted = self.answers() + more;
        wait("more answers", Duration::from_secs(60), || {
            if self.answers() >= wanted { Ok(()) } else { Err(self.process.dump(5)) }
        });
    }

    /// Ends them and returns the counts.
    pub fn stop(self) -> Ping {
        self.process.signal(Signal::INT);
        wait("ping ends", Duration::from_secs(20), || {
            if self.process.is_running() { Err("it runs".to_owned()) } else { Ok(()) }
        });
        Ping::parse(&Output { code: None, stdout: self.process.output(), stderr: String::new() })
    }
}

impl Namespace {
    /// The routers on the way to a destination, by traceroute with one UDP probe for each; `*` where none answered.
    pub fn traceroute(&self, to: &str) -> Vec<String> {
        let output = self.run(&["traceroute", "-n", "-q", "1", "-w", "2", "-m", "8", to]);
        let hop = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        output.lines().skip(1).filter_map(hop).collect()
    }
}

/// What iperf3 measured.
#[derive(Clone, Debug)]
pub struct Iperf {
    /// Octets that the receiver got.
    pub octets: u64,
    /// Bits in a second.
    pub bits_per_second: f64,
    /// The whole report.
    pub report: Value,
}

impl Iperf {
    /// Starts a server at `server`, runs a client at `client` with the options that say for how long.
    ///
    /// # Panics
    /// If iperf3 fails.
    pub fn run(client: &Namespace, server: &Namespace, address: &str, options: &[&str]) -> Self {
        // It listens in both cases; what it says first depends on the version.
        let process = server.spawn(&["iperf3", "--server", "--one-off", "--forceflush"]);
        wait("iperf3 listens", Duration::from_secs(20), || {
            let sockets = server.run(&["ss", "-Htln", "sport", "=", "5201"]);
            if sockets.is_empty() { Err(process.output()) } else { Ok(()) }
        });
        let mut words = vec!["iperf3", "--client", address, "--json"];
        words.extend(options);
        let output = client.try_run(&words);
        assert!(output.ok(), "iperf3 to {address}: {}", output.text());
        let report: Value = serde_json::from_str(&output.stdout).expect("iperf3 reports in JSON");
        let end = report.pointer("/end/sum_received").or_else(|| report.pointer("/end/sum")).expect("a sum");
        Self {
            octets: end["bytes"].as_u64().unwrap_or_default(),
            bits_per_second: end["bits_per_second"].as_f64().unwrap_or_default(),
            report,
        }
    }
}

/// iperf3 that goes on while the test does something else.
pub struct BackgroundIperf {
    client: Process,
    _server: Process,
}

impl BackgroundIperf {
    /// Starts a server at `server`, and a client at `client` that sends for some seconds.
    pub fn start(client: &Namespace, server: &Namespace, address: &str, seconds: u32) -> Self {
        let process = server.spawn(&["iperf3", "--server", "--one-off", "--forceflush"]);
        wait("iperf3 listens", Duration::from_secs(20), || {
            let sockets = server.run(&["ss", "-Htln", "sport", "=", "5201"]);
            if sockets.is_empty() { Err(process.output()) } else { Ok(()) }
        });
        let seconds = seconds.to_string();
        let client = client.spawn(&["iperf3", "--client", address, "--json", "--time", &seconds]);
        Self { client, _server: process }
    }

    /// Whether the client is not done yet.
    pub fn is_running(&self) -> bool {
        self.client.is_running()
    }

    /// Waits for its end. What the client sent in each second.
    ///
    /// # Panics
    /// If it ended before its time.
    pub fn octets_of_each_second(self) -> Vec<u64> {
        wait("iperf3 ends", Duration::from_secs(180), || {
            if self.client.is_running() { Err("it runs".to_owned()) } else { Ok(()) }
        });
        let report: Value = serde_json::from_str(&self.client.output()).expect("iperf3 reports in JSON");
        assert!(report.get("error").is_none(), "{}", report["error"]);
        let intervals = report["intervals"].as_array().expect("intervals");
        intervals.iter().filter_map(|interval| interval.pointer("/sum/bytes")?.as_u64()).collect()
    }
}

/// A web server that answers with its own name.
pub struct HttpServer {
    _process: Process,
}

impl HttpServer {
    /// The port of all servers.
    pub const PORT: u16 = 8000;

    /// Starts Python's server on all addresses of a namespace; `/name` says whose it is, `/large` is
    /// [`Self::large`].
    pub fn start(lab: &Lab, namespace: &Namespace) -> Self {
        let directory = lab.file(&format!("{}-www", namespace.name()));
        std::fs::create_dir_all(&directory).expect("a directory of the server");
        std::fs::write(directory.join("name"), namespace.name()).expect("a file of the server");
        std::fs::write(directory.join("large"), Self::large()).expect("a file of the server");
        let (port, directory) = (Self::PORT.to_string(), directory.display().to_string());
        let process = namespace.spawn(&["python3", "-m", "http.server", &port, "--directory", &directory]);
        wait("the web server listens", Duration::from_secs(20), || {
            let sockets = namespace.run(&["ss", "-Htln", "sport", "=", &port]);
            if sockets.is_empty() { Err(process.output()) } else { Ok(()) }
        });
        Self { _process: process }
    }

    /// Four megabytes, in which no two lines are equal: a lost, doubled or swapped piece is seen.
    pub fn large() -> String {
        (0..1 << 18).map(|line| format!("{line:015}\n")).collect()
    }

    /// Fetches a file by curl.
    ///
    /// # Errors
    /// If curl fails.
    pub fn get(from: &Namespace, address: &str, file: &str) -> Result<String, String> {
        let url = format!("http://{address}:{}/{file}", Self::PORT);
        let output = from.try_run(&["curl", "-sS", "--fail", "--max-time", "10", &url]);
        if output.ok() { Ok(output.stdout) } else { Err(output.text()) }
    }
}
