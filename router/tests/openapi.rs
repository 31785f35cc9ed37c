//! The description of the API in the repository is the one that nodes serve.

use std::path::Path;

/// With `UPDATE_DOCS=1` the document is written instead of compared.
#[test]
fn the_committed_description_of_the_api_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    let expected = format!("{:#}\n", isthmus::node::management::openapi());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "docs/reference/openapi.json is not that of the code: run UPDATE_DOCS=1 cargo test -p isthmus --test openapi"
    );
}
