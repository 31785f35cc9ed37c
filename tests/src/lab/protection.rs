//! What a node must have before other hosts can reach its management plane: made as `isthmus check` says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Lab;
use super::command::run as run_command;
use super::node::{NodeConfig, binary};

/// A certificate that has signed itself, and a token for each role.
pub struct Protection {
    directory: PathBuf,
}

/// The roles, the smallest first.
pub const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

impl Protection {
    /// A certificate that names these addresses, by the command that `isthmus check` prints, and tokens by
    /// `isthmus token create`.
    pub fn new(lab: &Lab, addresses: &[&str]) -> Self {
        let protection = Self { directory: lab.file("protection") };
        fs::create_dir_all(&protection.directory).expect("a directory");
        // Prometheus may run as another user.
        fs::set_permissions(&protection.directory, fs::Permissions::from_mode(0o755)).expect("its mode");
        let names: Vec<String> = addresses.iter().map(|address| format!("IP:{address}")).collect();
        let (certificate, key) = (text(&protection.certificate()), text(&protection.path("tls.key")));
        run_command(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "365",
            "-subj",
            "/CN=isthmus",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            &format!("subjectAltName={}", names.join(",")),
            "-keyout",
            &key,
            "-out",
            &certificate,
        ]);
        for role in ROLES {
            let created = run_command(&[
                &text(&binary()),
                "token",
                "create",
                "--name",
                &format!("the-{role}"),
                "--role",
                role,
                "-o",
                "json",
            ]);
            let created: Value = serde_json::from_str(&created).expect("a token in JSON");
            let member = |name: &str| created[name].as_str().expect(name).to_owned();
            fs::write(protection.token(role), member("secret")).expect("a token's file");
            fs::write(protection.path(&format!("{role}.sha256")), member("sha256")).expect("a hash's file");
        }
        protection
    }

    /// The node with the tokens and the certificate.
    pub fn protect(&self, config: NodeConfig) -> NodeConfig {
        let token = |role: &str| {
            let hash = fs::read_to_string(self.path(&format!("{role}.sha256"))).expect("a hash");
            format!("{{name: the-{role}, role: {role}, sha256: {hash}}}")
        };
        let tls = format!(
            "tls: {{certificate: {}, private-key: {}}}",
            self.certificate().display(),
            self.path("tls.key").display()
        );
        config.managed(&format!("tokens: [{}]", ROLES.map(token).join(", "))).managed(&tls)
    }

    /// The file of the certificate, which clients trust.
    pub fn certificate(&self) -> PathBuf {
        self.path("tls.crt")
    }

    /// The file with the secret of a role's token.
    pub fn token(&self, role: &str) -> PathBuf {
        self.path(&format!("{role}.token"))
    }

    /// The secret of a role's token.
    pub fn secret(&self, role: &str) -> String {
        fs::read_to_string(self.token(role)).expect("a token's file")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
