//! The page that shows the document: Swagger UI, out of the program itself.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the document is.
pub(crate) const DOCUMENT: &str = "/openapi.json";
/// Where the page is.
pub(crate) const PAGE: &str = "/docs";

/// The page with its scripts and styles.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // Without this the page would have a service on the Internet judge the document.
    let config = Config::from(DOCUMENT).validator_url("none").display_request_duration(true);
    Router::from(SwaggerUi::new(PAGE).config(config)).layer(middleware::from_fn(from_here_only))
}

/// Lets the browser load nothing from elsewhere. The styles that the page sets on its elements are its own.
async fn from_here_only(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
