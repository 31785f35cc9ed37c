//! Prints the configuration reference: `cargo run -p isthmus --example config-reference > docs/reference/configuration.md`.
fn main() {
    print!("{}", isthmus::config::reference::reference());
}
