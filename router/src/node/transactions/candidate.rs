//! From what a client sends to a configuration that has passed the checks.

use isthmus_mgmt_api::model::{ConfigurationDiagnostic, ConfigurationSource};
use isthmus_mgmt_api::{ApiError, ProblemKind};
use serde_json::Value;

use crate::config::load::{Loaded, mistyped_value, parse};
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
                let loaded = check(text, true)?;
                let written = document::parse(text).unwrap_or_default();
                if !secrets::any_mask(&written) {
                    return Ok(Self::new(loaded, written, true));
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
