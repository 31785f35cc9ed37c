//! A guard against web pages.
//!
//! A browser on the host can reach the loopback address, and any page may make it try. A page whose name was made to
//! resolve to 127.0.0.1 gives itself away by the `Host` header; one that posts across sites, by `Origin`. Neither is
//! sent by other clients with anything but the address that they were given.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{ApiError, ProblemKind};

/// Lets pass what was addressed to this host, by no page of another host.
pub(crate) async fn this_host_only(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let foreign = foreign_name(headers, &header::HOST).or_else(|| foreign_name(headers, &header::ORIGIN));
    match foreign {
        None => next.run(request).await,
        Some(name) => ApiError::new(
            ProblemKind::ForeignOrigin,
            format!("the request is for or from `{name}`, which is not this host"),
            "address the API as localhost, 127.0.0.1 or [::1]",
        )
        .into_response(),
    }
}

/// What a header says, if it names another host. A header that is absent names none.
fn foreign_name(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let is_local = text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback));
    (!is_local).then_some(text)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn foreign(value: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(value))]);
        foreign_name(&headers, &header::HOST).is_some()
    }

    #[test]
    fn names_of_this_host_are_told_from_others() {
        for local in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "http://127.0.0.1:80",
        ] {
            assert!(!foreign(local), "{local}");
        }
        for other in [
            "example.org",
            "example.org:8080",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "null",
            "",
            "10.0.0.1",
            "http://example.org",
            "::1",
            "[::2]:80",
        ] {
            assert!(foreign(other), "{other}");
        }
        assert_eq!(foreign_name(&HeaderMap::new(), &header::HOST), None);
    }
}
