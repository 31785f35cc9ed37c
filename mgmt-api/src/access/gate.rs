//! Asks who sends a request, and whether that one may.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::{Caller, Peer, Role};
use super::roles::{self, Needed};
use super::token::Tokens;
use super::{Access, AuthenticationFailure, FailureReason};
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};

/// The gate of a surface.
pub(crate) struct Gate<B> {
    access: Access,
    backend: Arc<B>,
}

impl<B> Gate<B> {
    pub(crate) fn new(access: Access, backend: Arc<B>) -> Self {
        Self { access, backend }
    }
}

/// Lets pass who may, and tells the handlers who it is.
pub(crate) async fn ask<B: Backend>(
    State(gate): State<Arc<Gate<B>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let needed = match request.extensions().get::<MatchedPath>() {
        Some(path) => roles::needed(request.method(), path.as_str()),
        // Nothing is there, which only callers are told.
        None => Needed::Role(Role::Viewer),
    };
    let identified = identify(&gate.access, request.extensions().get::<Peer>(), request.headers());
    let caller = match (identified, needed) {
        (Ok(caller), Needed::Nothing) => Some(caller),
        (Err(_), Needed::Nothing) => None,
        (Ok(caller), Needed::Role(role)) if caller.role >= role => Some(caller),
        (Ok(caller), Needed::Role(role)) => {
            return gate.refuse(&request, FailureReason::Role, Some((caller, role)));
        }
        (Err(reason), Needed::Role(_)) => return gate.refuse(&request, reason, None),
    };
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

fn identify(access: &Access, peer: Option<&Peer>, headers: &HeaderMap) -> Result<Caller, FailureReason> {
    match access {
        Access::Full => user(peer),
        Access::Loopback(tokens) if tokens.is_empty() => {
            Ok(Caller { name: "loopback".to_owned(), role: Role::Admin })
        }
        Access::Loopback(tokens) | Access::Remote(tokens) => holder(tokens, headers),
    }
}

/// The file of the socket says who may connect; this says it again, in case somebody has changed its mode.
fn user(peer: Option<&Peer>) -> Result<Caller, FailureReason> {
    let name = match peer {
        Some(Peer::User(Some(uid))) if *uid == 0 || *uid == own_uid() => format!("uid {uid}"),
        // Not over a connection: from within the process.
        None => "local".to_owned(),
        Some(_) => return Err(FailureReason::UnknownUser),
    };
    Ok(Caller { name, role: Role::Admin })
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn holder(tokens: &Tokens, headers: &HeaderMap) -> Result<Caller, FailureReason> {
    let secret = bearer(headers).ok_or(FailureReason::MissingToken)?;
    tokens.caller(secret).ok_or(FailureReason::UnknownToken)
}

/// What stands behind `Bearer` (RFC 6750 section 2.1); the word may be written in any case (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

impl<B: Backend> Gate<B> {
    fn refuse(&self, request: &Request, reason: FailureReason, caller: Option<(Caller, Role)>) -> Response {
        self.backend.authentication_failed(&AuthenticationFailure {
            surface: self.access.name(),
            peer: request.extensions().get::<Peer>().map(Peer::to_string),
            reason,
            caller: caller.as_ref().map(|(caller, _)| caller.name.clone()),
        });
        match (reason, caller) {
            (FailureReason::Role, Some((caller, role))) => ApiError::new(
                ProblemKind::Forbidden,
                format!(
                    "{} {} needs the role {role}; `{}` is {}",
                    request.method(),
                    request.uri().path(),
                    caller.name,
                    caller.role
                ),
                format!("use a token with the role {role}"),
            )
            .into_response(),
            (FailureReason::UnknownUser, _) => ApiError::new(
                ProblemKind::Forbidden,
                "only root and the user that the node runs as may use this socket",
                "use sudo, or a token and `management.listen`",
            )
            .into_response(),
            (FailureReason::UnknownToken, _) => unauthorized(
                "nobody has this token",
                "compare it with `management.tokens`: `isthmus token hash` prints what must stand there",
                "Bearer realm=\"isthmus\", error=\"invalid_token\"",
            ),
            _ => unauthorized(
                "the request carries no token",
                "send `Authorization: Bearer SECRET`; the command line takes it by --token-file or ISTHMUS_TOKEN",
                "Bearer realm=\"isthmus\"",
            ),
        }
    }
}

/// 401 with how to do it right (RFC 6750 section 3).
fn unauthorized(detail: &str, remedy: &str, challenge: &'static str) -> Response {
    let mut response = ApiError::new(ProblemKind::Unauthorized, detail, remedy).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
