//! The forms of output.

use std::io::{self, IsTerminal, Write};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::Format;
use super::client::Client;
use super::error::CliError;
use super::render::Render;

/// Where a command writes, and in which form.
pub(crate) struct Output {
    format: Format,
    colour: bool,
}

impl Output {
    /// Standard output. Colour only for people: on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn stdout(format: Format) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format, colour: io::stdout().is_terminal() && !no_colour }
    }

    /// The form.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Whether the output is for people.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// How people want their values.
    pub(super) fn style(&self) -> Style {
        Style { wide: self.format == Format::Wide, colour: self.colour }
    }

    /// Fetches a resource and writes it. Returns it as well, for commands that judge it.
    pub(super) fn show<T: Render + DeserializeOwned>(
        &mut self,
        client: &Client,
        path: &str,
    ) -> Result<T, CliError> {
        let document = client.get(path)?;
        self.resource(client, path, document)
    }

    /// Writes a resource that came from `path`.
    pub(super) fn resource<T: Render + DeserializeOwned>(
        &mut self,
        client: &Client,
        path: &str,
        document: Value,
    ) -> Result<T, CliError> {
        if !self.is_table() {
            self.document(&document)?;
        }
        let resource: T = serde_json::from_value(document).map_err(|error| client.bad_answer(path, error))?;
        if self.is_table() {
            self.text(&resource.render(self.style()))?;
        }
        Ok(resource)
    }

    /// Writes a document as JSON or YAML; for people, as YAML.
    pub(crate) fn document(&mut self, document: &Value) -> Result<(), CliError> {
        let text = match self.format {
            Format::Json => {
                serde_json::to_string_pretty(document).map(|text| text + "\n").map_err(io::Error::other)
            }
            Format::Yaml | Format::Table | Format::Wide => {
                serde_yaml::to_string(document).map_err(io::Error::other)
            }
        };
        self.text(&text.map_err(failed)?)
    }

    /// Writes one of several documents as it comes: a line of JSON, or a document of a YAML stream.
    pub(super) fn line_document(&mut self, document: &Value) -> Result<(), CliError> {
        match self.format {
            Format::Yaml => {
                let text =
                    serde_yaml::to_string(document).map_err(|error| failed(io::Error::other(error)))?;
                self.text(&format!("---\n{text}"))
            }
            _ => self.text(&format!("{document}\n")),
        }
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(failed)
    }
}

/// How people want their values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// More columns.
    pub(super) wide: bool,
    /// With colour.
    pub(super) colour: bool,
}

fn failed(cause: io::Error) -> CliError {
    CliError::Local { what: "to standard output".to_owned(), cause }
}
