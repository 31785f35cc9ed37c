//! The web page at `/`: files that are part of the binary, so that it works where nothing else can be reached.
//!
//! The page is a client of the API like any other: it reads the same resources and follows `/api/v1/events`. Its files
//! hold no data of the node and are served to everybody; what it shows is asked for with the reader's own token. No
//! build step stands between `assets/` and the browser. `assets/vendor/` has the force layout of D3, unchanged.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the page.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $media_type:literal;)*) => {
        /// Every file but the page itself, at its path.
        const ASSETS: &[Asset] = &[$(Asset {
            path: concat!("/ui/", $name),
            media_type: $media_type,
            content: include_bytes!(concat!("assets/", $name)),
        },)*];
    };
}

assets! {
    "style.css" "text/css; charset=utf-8";
    "icon.svg" "image/svg+xml";
    "app.js" "text/javascript; charset=utf-8";
    "api.js" "text/javascript; charset=utf-8";
    "format.js" "text/javascript; charset=utf-8";
    "graph.js" "text/javascript; charset=utf-8";
    "tables.js" "text/javascript; charset=utf-8";
    "topology.js" "text/javascript; charset=utf-8";
    "vendor/d3-dispatch.min.js" "text/javascript; charset=utf-8";
    "vendor/d3-force.min.js" "text/javascript; charset=utf-8";
    "vendor/d3-quadtree.min.js" "text/javascript; charset=utf-8";
    "vendor/d3-timer.min.js" "text/javascript; charset=utf-8";
    "vendor/LICENSE.d3" "text/plain; charset=utf-8";
}

/// The files of the page, below `/ui`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(|| async { file(asset.media_type, asset.content) }))
    })
}

/// The page itself.
pub(crate) fn page() -> Response {
    file("text/html; charset=utf-8", include_bytes!("assets/index.html"))
}

/// Whether a request comes from something that shows pages: a browser names HTML, other clients take anything.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|range| range.trim().starts_with("text/html")))
}

fn file(media_type: &'static str, content: &'static [u8]) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    (headers, content).into_response()
}

/// Nothing comes from elsewhere, nothing goes elsewhere, and no other page may frame this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the page, its modules and its style name is there: nothing is fetched from elsewhere.
    #[test]
    fn all_that_the_page_names_is_in_the_binary() {
        let page = include_str!("assets/index.html");
        let mut named: Vec<String> =
            page.split('"').filter(|text| text.starts_with("ui/")).map(|text| format!("/{text}")).collect();
        for asset in
            ASSETS.iter().filter(|asset| asset.path.ends_with(".js") && !asset.path.contains("vendor"))
        {
            let text = std::str::from_utf8(asset.content).unwrap();
            named.extend(
                text.lines()
                    .filter(|line| line.starts_with("import"))
                    .filter_map(|line| line.split('"').nth(1))
                    .map(|module| format!("/ui/{}", module.trim_start_matches("./"))),
            );
        }
        assert!(named.len() > 10, "{named:?}");
        for path in named {
            assert!(ASSETS.iter().any(|asset| asset.path == path), "{path} is named and not embedded");
        }
        for asset in ASSETS.iter().filter(|asset| !asset.path.contains("vendor")) {
            let text = std::str::from_utf8(asset.content).unwrap();
            let elsewhere = text.lines().find(|line| {
                line.contains("://")
                    && !line.contains("http://www.w3.org/2000/svg")
                    && !line.trim_start().starts_with("//")
            });
            assert_eq!(elsewhere, None, "{} names another host", asset.path);
        }
    }

    #[test]
    fn the_page_and_its_files_stay_small() {
        let size: usize = ASSETS.iter().map(|asset| asset.content.len()).sum();
        assert!(size < 200 * 1024, "{size} octets");
    }

    #[test]
    fn browsers_are_told_from_other_clients() {
        let accepts = |value: &'static str| {
            is_wanted(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]))
        };
        assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(!accepts("*/*"));
        assert!(!accepts("application/json"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
