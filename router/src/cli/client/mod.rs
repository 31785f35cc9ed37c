//! Requests to a node.

mod credentials;
mod events;
mod target;
mod unix;

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use isthmus_mgmt_api::error::{PROBLEM_JSON, Problem};
use serde_json::Value;
use ureq::http::{HeaderValue, Request, Response, header};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body, SendBody};

pub use credentials::Credentials;
pub use events::EventStream;
pub use target::Target;

use super::error::CliError;

/// A node's API.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    /// What paths are appended to.
    base: String,
    target: Target,
}

impl Client {
    /// The API at a target, without a token. Nothing is connected yet.
    ///
    /// # Errors
    /// The target speaks TLS, and the system knows no authorities.
    pub fn new(target: Target) -> Result<Self, CliError> {
        Self::with(target, Credentials::default())
    }

    /// The API at a target. Nothing is connected yet.
    ///
    /// # Errors
    /// The token would travel in clear text, or there is nothing to know the node by.
    pub fn with(target: Target, credentials: Credentials) -> Result<Self, CliError> {
        if credentials.authorization().is_some() && !target.is_private() {
            return Err(CliError::PlainToken(target.to_string()));
        }
        let tls = if target.is_tls() { Some(credentials.tls()?) } else { None };
        Ok(Self::build(target, credentials.authorization(), tls))
    }

    /// The API on a unix socket.
    pub fn unix(path: &Path) -> Self {
        Self::build(Target::Unix(path.to_owned()), None, None)
    }

    fn build(target: Target, authorization: Option<String>, tls: Option<TlsConfig>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            // A connection costs nothing here, and one that is kept may be closed just when it is used again.
            .max_idle_connections(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(RESPONSE_TIMEOUT))
            .user_agent(concat!("isthmus/", env!("CARGO_PKG_VERSION")))
            .middleware(Authorization(authorization));
        let config = match tls {
            Some(tls) => config.tls_config(tls),
            None => config,
        };
        let config = config.build();
        let (agent, base) = match &target {
            Target::Http(base) => (Agent::new_with_config(config), base.clone()),
            Target::Unix(path) => {
                let connector = unix::UnixConnector::new(path);
                let agent = Agent::with_parts(config, connector, DefaultResolver::default());
                // The resolver is asked, too, though its answer is not used: a name that needs no look-up.
                (agent, "http://127.0.0.1".to_owned())
            }
        };
        Self { agent, base, target }
    }

    /// Where the API is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Fetches a resource, `/api/v1/system`. A status such as 503 is no error if the body is the resource.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn get(&self, path: &str) -> Result<Value, CliError> {
        self.document(path, self.agent.get(self.url(path)).call())
    }

    /// Changes a resource and returns it.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.document(path, self.agent.patch(self.url(path)).send_json(body))
    }

    /// Replaces the configuration by a text, whatever it is now, and returns what came of it.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn put_yaml(&self, path: &str, text: &str) -> Result<Value, CliError> {
        let request = self.agent.put(self.url(path)).header("content-type", "application/yaml");
        self.document(path, request.header("if-match", "*").send(text))
    }

    /// Posts without a body, and returns the answer.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn post(&self, path: &str) -> Result<Value, CliError> {
        self.document(path, self.agent.post(self.url(path)).send_empty())
    }

    /// Posts a document, and returns the answer.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn post_json(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.document(path, self.agent.post(self.url(path)).send_json(body))
    }

    /// Posts, and hands each line of the answer to `each` as it comes.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses; or what `each` returned.
    pub fn post_each_line(
        &self,
        path: &str,
        body: &Value,
        mut each: impl FnMut(Value) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let response = self.accepted(path, self.agent.post(self.url(path)).send_json(body))?;
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| self.bad_answer(path, error))?;
            each(serde_json::from_str(&line).map_err(|error| self.bad_answer(path, error))?)?;
        }
        Ok(())
    }

    /// Posts, and collects the lines of the answer.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn post_lines(&self, path: &str, body: &Value) -> Result<Vec<Value>, CliError> {
        let mut lines = Vec::new();
        self.post_each_line(path, body, |line| {
            lines.push(line);
            Ok(())
        })?;
        Ok(lines)
    }

    /// Posts without a body, and returns the answer as it comes.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn post_stream(&self, path: &str) -> Result<impl Read + use<>, CliError> {
        let response = self.accepted(path, self.agent.post(self.url(path)).send_empty())?;
        Ok(response.into_body().into_reader())
    }

    /// Opens the stream of events of `query`, after the event with the id `last`.
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub fn events(&self, query: &str, last: Option<&str>) -> Result<EventStream, CliError> {
        let path = format!("/api/v1/events{query}");
        let request = self.agent.get(self.url(&path)).header(header::ACCEPT, "text/event-stream");
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let response = self.accepted(&path, request.call())?;
        Ok(EventStream::new(Box::new(response.into_body().into_reader())))
    }

    /// The error for an answer that a node does not give.
    pub fn bad_answer(&self, path: &str, cause: impl ToString) -> CliError {
        CliError::BadAnswer {
            target: self.target.to_string(),
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn document(&self, path: &str, result: Result<Response<Body>, ureq::Error>) -> Result<Value, CliError> {
        let mut response = self.accepted(path, result)?;
        let body = response.body_mut().with_config().limit(DOCUMENT_LIMIT).read_to_vec();
        let body = body.map_err(|error| self.bad_answer(path, error))?;
        serde_json::from_slice(&body).map_err(|error| self.bad_answer(path, error))
    }

    /// The response, unless it is a refusal.
    fn accepted(
        &self,
        path: &str,
        result: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, CliError> {
        let mut response = result.map_err(|error| self.failed(path, error))?;
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type == Some(PROBLEM_JSON) {
            let problem = response.body_mut().read_json::<Problem>();
            return Err(problem.map_or_else(
                |error| self.bad_answer(path, error),
                |problem| CliError::Refused(Box::new(problem)),
            ));
        }
        if response.status().is_client_error() {
            return Err(self.bad_answer(path, format!("status {}", response.status())));
        }
        Ok(response)
    }

    fn failed(&self, path: &str, error: ureq::Error) -> CliError {
        if let Some(cause) = tls_cause(&error) {
            return CliError::Untrusted { target: self.target.to_string(), cause: Box::new(cause.clone()) };
        }
        let cause = match error {
            ureq::Error::Io(cause) => cause,
            ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
            ureq::Error::HostNotFound => io::Error::other("there is no such host"),
            other => return self.bad_answer(path, other),
        };
        CliError::Unreachable { target: self.target.to_string(), cause }
    }
}

/// Adds the token to every request.
struct Authorization(Option<String>);

impl Middleware for Authorization {
    fn handle(
        &self,
        mut request: Request<SendBody<'_>>,
        next: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        if let Some(mut value) = self.0.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        next.handle(request)
    }
}

/// What TLS has against the node, if that is it.
fn tls_cause(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(cause) => Some(cause),
        ureq::Error::Io(cause) => cause.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// A segment of a path, or a value of a query, with everything escaped that could end it.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// How long a connection may take: the node is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take to begin; the node itself gives up before.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Octets of the largest document: the database of a large area.
const DOCUMENT_LIMIT: u64 = 256 * 1024 * 1024;

#[cfg(test)]
mod tests;
