//! Entity tags, and the conditions of requests that name them (RFC 9110 sections 8.8.3 and 13.1).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::{ApiError, ProblemKind};

/// The strong entity tag of a revision.
pub(crate) fn etag(revision: &str) -> HeaderValue {
    // A revision is a word of the node's own making.
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// `If-Match` of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// There is none.
    Absent,
    /// `*`: whatever is there.
    Any,
    /// One of these revisions.
    Revisions(Vec<String>),
}

impl IfMatch {
    /// Reads the header.
    ///
    /// # Errors
    /// It is not a list of entity tags.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(match tags(headers, &header::IF_MATCH)? {
            None => Self::Absent,
            Some(Tags::Any) => Self::Any,
            // A weak tag never matches here (RFC 9110 section 13.1.1).
            Some(Tags::List(tags)) => {
                Self::Revisions(tags.into_iter().filter(|tag| !tag.weak).map(|tag| tag.text).collect())
            }
        })
    }

    /// Refuses if the condition does not hold for the revision that runs.
    ///
    /// # Errors
    /// [`ProblemKind::PreconditionFailed`].
    pub(crate) fn check(&self, revision: &str) -> Result<(), ApiError> {
        match self {
            Self::Revisions(revisions) if !revisions.iter().any(|one| one == revision) => {
                Err(changed(revision))
            }
            _ => Ok(()),
        }
    }

    /// Refuses if there is no condition.
    ///
    /// # Errors
    /// [`ProblemKind::PreconditionRequired`].
    pub(crate) fn require(&self) -> Result<(), ApiError> {
        if *self != Self::Absent {
            return Ok(());
        }
        Err(ApiError::new(
            ProblemKind::PreconditionRequired,
            "the whole configuration is replaced only under a condition, and there is no If-Match",
            "send the ETag of the configuration that you have read as If-Match, or `*` to replace whatever is there",
        ))
    }
}

/// The refusal of a change that was meant for another revision than the one that runs.
pub(crate) fn changed(revision: &str) -> ApiError {
    ApiError::new(
        ProblemKind::PreconditionFailed,
        format!("the configuration has changed since you read it: its ETag is now \"{revision}\""),
        "read it again, make the change in what you get, and send it with the new ETag",
    )
}

/// Whether the client has what it asks for already: `If-None-Match` names the revision.
///
/// # Errors
/// The header is not a list of entity tags.
pub(crate) fn is_known(headers: &HeaderMap, revision: &str) -> Result<bool, ApiError> {
    Ok(match tags(headers, &header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(|tag| tag.text == revision),
    })
}

enum Tags {
    Any,
    List(Vec<Tag>),
}

struct Tag {
    weak: bool,
    text: String,
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let mut list = Vec::new();
    let mut seen = false;
    for value in headers.get_all(name) {
        seen = true;
        let text = value.to_str().map_err(|_| malformed(name, "octets that are not ASCII"))?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        // Revisions have neither comma nor quote: a tag that has them is not one of ours, and matches nothing.
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (weak, quoted) = part.strip_prefix("W/").map_or((false, part), |rest| (true, rest));
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let text = inner.ok_or_else(|| malformed(name, part))?.to_owned();
            list.push(Tag { weak, text });
        }
    }
    Ok(seen.then_some(Tags::List(list)))
}

fn malformed(name: &HeaderName, text: &str) -> ApiError {
    ApiError::new(
        ProblemKind::BadRequest,
        format!("the header {name} has `{text}`, which is no entity tag"),
        "send the ETag as it was answered, with its quotes, or `*`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn if_match_takes_strong_tags_and_the_star() {
        let of = |value: &str| IfMatch::of(&headers(header::IF_MATCH, value));
        assert_eq!(IfMatch::of(&HeaderMap::new()), Ok(IfMatch::Absent));
        assert_eq!(of("*"), Ok(IfMatch::Any));
        assert_eq!(of("\"a\", \"b\""), Ok(IfMatch::Revisions(vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(of("W/\"a\""), Ok(IfMatch::Revisions(Vec::new())));
        assert_eq!(of("a").unwrap_err().kind, ProblemKind::BadRequest);
        assert!(of("\"a\"").unwrap().check("a").is_ok());
        assert_eq!(of("\"a\"").unwrap().check("b").unwrap_err().kind, ProblemKind::PreconditionFailed);
        assert_eq!(of("W/\"a\"").unwrap().check("a").unwrap_err().kind, ProblemKind::PreconditionFailed);
        assert_eq!(IfMatch::Absent.require().unwrap_err().kind, ProblemKind::PreconditionRequired);
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, known) in [("\"a\"", true), ("W/\"a\"", true), ("*", true), ("\"b\"", false)] {
            assert_eq!(is_known(&headers(header::IF_NONE_MATCH, value), "a"), Ok(known), "{value}");
        }
        assert_eq!(is_known(&HeaderMap::new(), "a"), Ok(false));
        assert_eq!(etag("a"), "\"a\"");
    }
}
