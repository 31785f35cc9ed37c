//! From what a client sends to a configuration that has passed the checks.

use isthmus_mgmt_api::model::{ConfigurationDiagnostic, ConfigurationSource};
use isthmus_mgmt_api::{ApiError, ProblemKind};
use serde_json::Value;

use crate::config::load::{Loaded, mistyped_value, parse, well_formed};
use crate::config::{Code, Diagnostic, Environment};
use crate::transaction::{document, secrets};

/// A configuration that has passed the checks.
pub struct Candidate {
    /// The configuration.
    pub loaded: Loaded,
    /// The text for the file.
    pub text: String,
    /// The document as it was written, secrets included.
    pub written: Value,
    /// What is odd about it.
    pub warnings: Vec<ConfigurationDiagnostic>,
}

impl Candidate {
    /// Reads a source. Masks in the places of secrets stand for those that `running` has there.
    ///
    /// # Errors
    /// The findings of the checks.
    pub fn read(source: &ConfigurationSource, running: &Value, author: &str) -> Result<Self, ApiError> {
        match source {
            ConfigurationSource::Yaml(text) => {
                // Before anything else is read of it: how deep and how large it is.
                well_formed(text).map_err(|finding| invalid(&[finding], true))?;
                let written = document::parse(text).unwrap_or_default();
                if !secrets::any_mask(&written) {
                    return Ok(Self::new(check(text, true)?, written, true));
                }
                let mut candidate = Self::from_document(written, running, author)?;
                candidate.warnings.push(warning(
                    "comments-lost",
                    "the text has masks in the places of secrets: it is written anew with the secrets, without its comments",
                    "write the secrets into the text to keep the comments",
                ));
                Ok(candidate)
            }
            ConfigurationSource::Document(document) => match mistyped_value(document) {
                Some(finding) => Err(invalid(&[finding], false)),
                None => Self::from_document(document.clone(), running, author),
            },
        }
    }

    fn from_document(mut written: Value, running: &Value, author: &str) -> Result<Self, ApiError> {
        if !written.is_object() {
            let reason = "the configuration is not a mapping of keys";
            let finding =
                Diagnostic::error(Code::WrongType, "", reason, "send an object with the keys of the file");
            return Err(invalid(&[finding], false));
        }
        secrets::unmask(&mut written, running).map_err(|paths| {
            let finding = |path: &String| {
                let reason = "a mask stands for the secret that is there, and there is none";
                Diagnostic::error(Code::MissingKey, path, reason, "send the secret itself")
            };
            invalid(&paths.iter().map(finding).collect::<Vec<_>>(), false)
        })?;
        let loaded = check(&document::render(&written, author), false)?;
        Ok(Self::new(loaded, written, false))
    }

    fn new(loaded: Loaded, written: Value, of_text: bool) -> Self {
        let warnings = loaded.warnings.iter().map(|finding| shown(finding, of_text)).collect();
        Self { text: loaded.text.clone(), loaded, written, warnings }
    }
}

fn check(text: &str, of_text: bool) -> Result<Loaded, ApiError> {
    parse(text, &Environment::current()).map_err(|findings| invalid(&findings, of_text))
}

/// The refusal for what the checks, or this machine, say. Lines are those of the text that the client sent, if it did.
pub fn invalid(findings: &[Diagnostic], of_text: bool) -> ApiError {
    let errors = findings.iter().filter(|finding| finding.severity == crate::config::Severity::Error);
    let first = errors.clone().next().or(findings.first());
    let detail = match (first, errors.count()) {
        (Some(first), 0..=1) => format!("{}: {}", place(first), first.reason),
        (Some(first), count) => format!("{count} errors; the first: {}: {}", place(first), first.reason),
        (None, _) => "the configuration is refused".to_owned(),
    };
    let remedy = first.map_or("see `diagnostics`", |first| first.remedy.as_str());
    let diagnostics = findings.iter().map(|finding| shown(finding, of_text)).collect();
    ApiError::new(ProblemKind::Invalid, detail, remedy).with_diagnostics(diagnostics)
}

fn place(finding: &Diagnostic) -> &str {
    if finding.path.is_empty() { "the configuration" } else { &finding.path }
}

fn shown(finding: &Diagnostic, of_text: bool) -> ConfigurationDiagnostic {
    ConfigurationDiagnostic {
        severity: finding.severity.to_string(),
        code: finding.code.name().to_owned(),
        path: finding.path.clone(),
        line: finding.line.filter(|_| of_text),
        column: finding.column.filter(|_| of_text),
        message: finding.reason.clone(),
        remedy: finding.remedy.clone(),
    }
}

/// A warning about the whole configuration.
pub fn warning(code: &str, message: &str, remedy: &str) -> ConfigurationDiagnostic {
    ConfigurationDiagnostic {
        severity: "warning".to_owned(),
        code: code.to_owned(),
        path: String::new(),
        line: None,
        column: None,
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "\
hostname: a
interfaces:
  - name: eth1
    address: 192.0.2.1/30
    ospf: { authentication: { type: simple, key: hidden } }
";

    fn read(source: ConfigurationSource) -> Result<Candidate, ApiError> {
        Candidate::read(&source, &document::parse(RUNNING).unwrap(), "somebody")
    }

    fn key(candidate: &Candidate) -> &Value {
        &candidate.written["interfaces"][0]["ospf"]["authentication"]["key"]
    }

    #[test]
    fn a_text_is_taken_as_it_is() {
        let text = format!("# a comment\n{RUNNING}");
        let candidate = read(ConfigurationSource::Yaml(text.clone())).unwrap();
        assert_eq!(candidate.text, text);
        assert_eq!(key(&candidate), "hidden");
    }

    #[test]
    fn a_mask_keeps_the_secret_in_a_document_and_in_a_text() {
        let shown = secrets::masked(document::parse(RUNNING).unwrap());
        let candidate = read(ConfigurationSource::Document(shown)).unwrap();
        assert!(key(&candidate) == "hidden" && candidate.text.contains("hidden"));
        let text = format!("# a comment\n{}", RUNNING.replace("hidden", "\"********\""));
        let candidate = read(ConfigurationSource::Yaml(text.clone())).unwrap();
        assert!(key(&candidate) == "hidden" && candidate.text.contains("hidden"));
        assert_eq!(candidate.warnings[0].code, "comments-lost");
        let refused = read(ConfigurationSource::Yaml(text.replace("eth1", "eth2"))).err().unwrap();
        assert_eq!(refused.kind, ProblemKind::Invalid);
        assert_eq!(refused.diagnostics[0].path, "interfaces[0].ospf.authentication.key");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_only_where_the_client_has_lines() {
        let text = RUNNING.replace("hostname: a", "hostname: a b");
        let refused = read(ConfigurationSource::Yaml(text.clone())).err().unwrap();
        assert_eq!(
            (refused.diagnostics[0].path.as_str(), refused.diagnostics[0].line),
            ("hostname", Some(1))
        );
        let document = document::parse(&text).unwrap();
        let refused = read(ConfigurationSource::Document(document)).err().unwrap();
        assert_eq!((refused.diagnostics[0].path.as_str(), refused.diagnostics[0].line), ("hostname", None));
        for nonsense in ["", "[", "interfaces: 5", "novelty: 1", "a: &a [*a]"] {
            let refused = read(ConfigurationSource::Yaml(nonsense.to_owned())).err().unwrap();
            assert_eq!(refused.kind, ProblemKind::Invalid, "{nonsense}");
        }
        assert!(read(ConfigurationSource::Document(Value::Null)).is_err());
    }
}
