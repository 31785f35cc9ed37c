//! HTTP surface of Isthmus: REST, metrics exposition, problem documents.
//!
//! The router implements [`Backend`]; [`app()`] turns it into an application; [`serve()`] carries the application over
//! a loopback address, a unix socket, or a listener of the embedded stack.
//!
//! | module | subject |
//! |---|---|
//! | [`access`] | who may do what: tokens, roles, users |
//! | [`backend`] | what the surface asks of the node; the router implements it |
//! | [`model`] | the structure of each resource |
//! | [`error`] | refusals as problem documents (RFC 9457) |
//! | [`app`](mod@app) | all resources at their paths, and the limits for all of them |
//! | `openapi` | the description of the API, made from the code that serves it |
//! | `configure` | changes of single resources, as edits of the one document |
//! | [`metrics`] | `/metrics` |
//! | [`serve`](mod@serve) | listeners |
//! | [`connection`] | connections, and what bounds them |
//! | [`tls`] | TLS |
//! | `ui` | the web page at `/` |

pub mod access;
pub mod app;
pub mod backend;
mod configure;
pub mod connection;
pub mod error;
mod extract;
mod guard;
pub mod metrics;
pub mod model;
mod openapi;
mod routes;
pub mod serve;
pub mod tls;
mod ui;

pub use access::Access;
pub use app::{app, openapi};
pub use backend::Backend;
pub use error::{ApiError, ProblemKind};
pub use openapi::Resource;
pub use serve::{BindError, UnixSocket, bind_remote, bind_tcp, serve};
