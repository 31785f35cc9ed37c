//! A real Prometheus, of the distribution's package, in a namespace.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Lab;
use super::namespace::Namespace;
use super::process::Process;
use super::protection::Protection;
use super::wait::wait;
use crate::dashboards;

/// Where it answers, in its namespace alone.
const ADDRESS: &str = "127.0.0.1:9090";

/// What a Prometheus is told.
#[derive(Clone, Debug)]
pub struct PrometheusConfig {
    /// Nodes that are scraped in band, as address and port: the first job of `deploy/prometheus/prometheus.yml`.
    pub in_band: Vec<String>,
    /// Nodes whose surface on the loopback address is scraped: the second job.
    pub loopback: Vec<String>,
    /// The text of its rules.
    pub rules: String,
    /// The token that it shows in band.
    pub token: PathBuf,
    /// The certificate by which it knows the nodes in band.
    pub authority: PathBuf,
}

impl PrometheusConfig {
    /// One that scrapes these nodes in band, with what protects them.
    pub fn in_band(nodes: Vec<String>, rules: String, protection: &Protection) -> Self {
        let (token, authority) = (protection.token("viewer"), protection.certificate());
        Self { in_band: nodes, loopback: Vec::new(), rules, token, authority }
    }
}

/// A running Prometheus.
pub struct Prometheus {
    namespace: Rc<Namespace>,
    directory: PathBuf,
    config: PrometheusConfig,
    process: Process,
}

/// A sample of a query's result.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value, or the last one of a range.
    pub value: f64,
}

impl Prometheus {
    /// Starts one that scrapes and evaluates every second, and waits until it answers.
    pub fn start(lab: &Lab, namespace: &Rc<Namespace>, config: &PrometheusConfig) -> Self {
        let directory = lab.file(&format!("{}-prometheus", namespace.name()));
        fs::create_dir_all(directory.join("targets")).expect("a directory of Prometheus");
        let write = |file: &str, text: &str| fs::write(directory.join(file), text).expect(file);
        write("prometheus.yml", &settings(config, &config.loopback));
        write("rules.yml", &config.rules);
        let path = |file: &str| directory.join(file).display().to_string();
        let process = namespace.spawn(&[
            "prometheus",
            &format!("--config.file={}", path("prometheus.yml")),
            &format!("--storage.tsdb.path={}", path("data")),
            &format!("--web.listen-address={ADDRESS}"),
            "--log.level=warn",
        ]);
        let prometheus = Self { namespace: Rc::clone(namespace), directory, config: config.clone(), process };
        prometheus.set_targets(&config.in_band);
        wait("Prometheus answers", Duration::from_secs(60), || prometheus.query("vector(1)").map(|_| ()));
        prometheus
    }

    /// Changes the nodes that are scraped in band.
    pub fn set_targets(&self, targets: &[String]) {
        let quoted: Vec<String> = targets.iter().map(|target| format!("{target:?}")).collect();
        let text = format!("- targets: [{}]\n", quoted.join(", "));
        // It is read at every change: whole or not at all.
        let (part, file) =
            (self.directory.join("targets/nodes.part"), self.directory.join("targets/nodes.yml"));
        fs::write(&part, text).expect("the file of targets");
        fs::rename(&part, &file).expect("the file of targets");
    }

    /// Changes the nodes that are scraped on their loopback address, which is in the configuration itself: Prometheus takes
    /// that anew.
    pub fn set_loopback(&self, targets: &[String]) {
        fs::write(self.directory.join("prometheus.yml"), settings(&self.config, targets))
            .expect("the configuration");
        self.process.signal(Signal::HUP);
    }

    /// The samples of an expression now.
    ///
    /// # Errors
    /// If Prometheus does not answer, or does not take the expression.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        self.ask("query", &[("query", expression)])
    }

    /// The last samples of an expression in each of the last `seconds`.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_range(&self, expression: &str, seconds: u64) -> Result<Vec<Sample>, String> {
        let now = self.query("time()")?.first().map_or(0.0, |sample| sample.value);
        let (start, end) = (format!("{:.3}", now - seconds as f64), format!("{now:.3}"));
        self.ask("query_range", &[("query", expression), ("start", &start), ("end", &end), ("step", "1")])
    }

    /// The only sample of an expression.
    ///
    /// # Errors
    /// As [`Self::query`], or if there is none or more than one.
    pub fn value(&self, expression: &str) -> Result<f64, String> {
        match self.query(expression)?.as_slice() {
            [sample] => Ok(sample.value),
            samples => Err(format!("{expression}: {samples:?}")),
        }
    }

    /// Waits until an expression has samples.
    pub fn await_some(&self, expression: &str) -> Vec<Sample> {
        wait(&format!("{expression} has samples"), Duration::from_secs(60), || {
            let samples = self.query(expression)?;
            if samples.is_empty() { Err(self.targets()) } else { Ok(samples) }
        })
    }

    /// Waits until an expression has no samples.
    pub fn await_none(&self, expression: &str) {
        wait(&format!("{expression} has no samples"), Duration::from_secs(90), || {
            let samples = self.query(expression)?;
            if samples.is_empty() { Ok(()) } else { Err(format!("{samples:?}")) }
        });
    }

    /// What it says of its targets: the address of each, and why it could not be scraped.
    pub fn targets(&self) -> String {
        let answer = self.get("targets", &[]).unwrap_or_else(Value::String);
        let targets = answer.pointer("/data/activeTargets").and_then(Value::as_array);
        let line = |target: &Value| format!("{} {}\n", target["scrapeUrl"], target["lastError"]);
        let lines: String = targets.into_iter().flatten().map(line).collect();
        lines + &self.process.dump(5)
    }

    fn ask(&self, what: &str, fields: &[(&str, &str)]) -> Result<Vec<Sample>, String> {
        let answer = self.get(what, fields)?;
        if answer["status"] != "success" {
            return Err(format!("{fields:?}: {answer}"));
        }
        let result = answer.pointer("/data/result").and_then(Value::as_array);
        Ok(match answer.pointer("/data/resultType").and_then(Value::as_str) {
            // A scalar is one sample without labels.
            Some("scalar") => {
                vec![Sample { labels: BTreeMap::new(), value: number(&answer["data"]["result"]) }]
            }
            _ => result.into_iter().flatten().map(sample).collect(),
        })
    }

    fn get(&self, what: &str, fields: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://{ADDRESS}/api/v1/{what}");
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut words = vec!["curl", "-sS", "--max-time", "10", "--get", &url];
        words.extend(fields.iter().flat_map(|field| ["--data-urlencode", field]));
        let output = self.namespace.try_run(&words);
        serde_json::from_str(&output.stdout).map_err(|error| format!("{error}: {}", output.text()))
    }
}

fn sample(sample: &Value) -> Sample {
    let labels = sample["metric"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let value = sample.get("value").or_else(|| sample["values"].as_array()?.last());
    Sample {
        labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        value: value.map_or(f64::NAN, number),
    }
}

/// The number of a pair of time and value.
fn number(pair: &Value) -> f64 {
    pair[1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// The shipped configuration, every second; the job for the loopback address, which is a comment there, is in use.
fn settings(config: &PrometheusConfig, loopback: &[String]) -> String {
    let shipped = dashboards::root().join("deploy/prometheus/prometheus.yml");
    let shipped = fs::read_to_string(shipped).expect("the shipped configuration");
    let mut text = String::new();
    for line in shipped.lines() {
        match line.trim() {
            interval if interval.ends_with("_interval: 15s") || interval.starts_with("scrape_timeout:") => {
                let (key, _) = line.split_once(':').expect("a key");
                text.push_str(&format!("{key}: 1s\n"));
            }
            // The files of the lab.
            secured if secured.starts_with("authorization:") => text
                .push_str(&format!("    authorization: {{credentials_file: {}}}\n", config.token.display())),
            secured if secured.starts_with("tls_config:") => {
                text.push_str(&format!("    tls_config: {{ca_file: {}}}\n", config.authority.display()));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    // The job stays when it has no targets: Prometheus marks the series of a job that is gone as stale only much later.
    let targets: Vec<String> = loopback.iter().map(|target| format!("{target:?}")).collect();
    for (shipped, used) in [
        (
            "  # - job_name: isthmus\n".to_owned(),
            "  - job_name: isthmus-loopback\n    relabel_configs: [{target_label: job, replacement: isthmus}]\n"
                .to_owned(),
        ),
        ("  #   static_configs:\n".to_owned(), "    static_configs:\n".to_owned()),
        (
            "  #     - targets: [\"127.0.0.1:9300\"]\n".to_owned(),
            format!("      - targets: [{}]\n", targets.join(", ")),
        ),
    ] {
        assert!(text.contains(&shipped), "the shipped configuration has no line {shipped}");
        text = text.replace(&shipped, &used);
    }
    text
}
