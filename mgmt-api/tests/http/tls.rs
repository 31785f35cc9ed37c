//! TLS before real clients: rustls, and what is no TLS at all.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_mgmt_api::access::{Role, Secret, Token, Tokens};
use isthmus_mgmt_api::tls::{Identity, Tls, TlsError, provider};
use isthmus_mgmt_api::{Access, app, bind_remote, connection};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::fake::FakeNode;
use crate::sockets::Scratch;

/// A certificate for 127.0.0.1 that has signed itself.
fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

fn write(scratch: &Scratch, certified: &CertifiedKey<KeyPair>) -> (PathBuf, PathBuf) {
    let (certificate, key) = (scratch.path("tls.crt"), scratch.path("tls.key"));
    fs::write(&certificate, certified.cert.pem()).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

/// A surface with TLS and one token.
struct Server {
    address: SocketAddr,
    tls: Tls,
    secret: Secret,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(identity: Identity) -> Self {
        let secret = Secret::generate().unwrap();
        let token = Token { name: "reader".to_owned(), role: Role::Viewer, hash: secret.hash() };
        let tokens = Arc::new(Tokens::new([token]));
        let listener = bind_remote("127.0.0.1:0".parse().unwrap(), &tokens).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::new(identity).unwrap();
        let app = app(Arc::new(FakeNode::default()), Access::Remote(tokens));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tls.clone();
        let task = tokio::spawn(async move {
            connection::serve(listener, Some(serving), app, async { stopped.await.unwrap() }).await;
        });
        Self { address, tls, secret, stop, task }
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    fn request(&self) -> String {
        format!(
            "GET /api/v1/system HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            self.secret.expose()
        )
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request inside of TLS; the answer, or what the client has against the server.
    async fn ask(
        &self,
        trusted: &CertificateDer<'static>,
        name: &str,
        request: &str,
    ) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream =
            connector.connect(name, self.connect().await).await.map_err(|error| error.to_string())?;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A server that refuses may close without taking leave.
        let _ = stream.read_to_string(&mut answer).await;
        Ok(answer)
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served_and_others_are_not() {
    let scratch = Scratch::new();
    let (own, other) = (certificate(), certificate());
    let (certificate, key) = write(&scratch, &own);
    let server = Server::start(Identity::load(&certificate, &key).unwrap()).await;
    let answer = server.ask(own.cert.der(), "127.0.0.1", &server.request()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let stranger = server.ask(other.cert.der(), "127.0.0.1", &server.request()).await.unwrap_err();
    // Both have the same name: it is the signature that does not fit.
    assert!(stranger.contains("BadSignature"), "{stranger}");
    let misnamed = server.ask(own.cert.der(), "127.0.0.2", &server.request()).await.unwrap_err();
    assert!(misnamed.contains("not valid for name"), "{misnamed}");
    server.end().await;
}

#[tokio::test]
async fn another_certificate_is_shown_once_it_is_there() {
    let scratch = Scratch::new();
    let (first, second) = (certificate(), certificate());
    let (certificate, key) = write(&scratch, &first);
    let server = Server::start(Identity::load(&certificate, &key).unwrap()).await;
    assert!(server.ask(first.cert.der(), "127.0.0.1", &server.request()).await.is_ok());
    write(&scratch, &second);
    server.tls.replace(Identity::load(&certificate, &key).unwrap());
    assert!(server.ask(second.cert.der(), "127.0.0.1", &server.request()).await.is_ok());
    assert!(server.ask(first.cert.der(), "127.0.0.1", &server.request()).await.is_err());
    server.end().await;
}

#[tokio::test]
async fn an_expired_certificate_is_for_the_client_to_refuse() {
    let scratch = Scratch::new();
    let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let signing_key = KeyPair::generate().unwrap();
    let expired = CertifiedKey { cert: parameters.self_signed(&signing_key).unwrap(), signing_key };
    let (certificate, key) = write(&scratch, &expired);
    let server = Server::start(Identity::load(&certificate, &key).unwrap()).await;
    let refused = server.ask(expired.cert.der(), "127.0.0.1", &server.request()).await.unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
    server.end().await;
}

#[tokio::test]
async fn what_is_no_tls_is_told_so_and_holds_nobody_up() {
    let scratch = Scratch::new();
    let own = certificate();
    let (certificate, key) = write(&scratch, &own);
    let server = Server::start(Identity::load(&certificate, &key).unwrap()).await;
    let mut plain = server.connect().await;
    plain.write_all(server.request().as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request") && answer.ends_with("https://\"}"), "{answer}");
    // Clients that say nothing, and one that says half of something.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(server.connect().await);
    }
    silent[0].write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    let answer = server.ask(own.cert.der(), "127.0.0.1", &server.request()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // Nor do they hold the end up.
    server.end().await;
}

#[tokio::test]
async fn a_huge_header_is_refused() {
    let scratch = Scratch::new();
    let own = certificate();
    let (certificate, key) = write(&scratch, &own);
    let server = Server::start(Identity::load(&certificate, &key).unwrap()).await;
    for huge in [
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(2000)),
    ] {
        let answer = server.ask(own.cert.der(), "127.0.0.1", &huge).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    server.end().await;
}

#[test]
fn files_that_are_no_certificate_and_key_are_named() {
    let scratch = Scratch::new();
    let (own, other) = (certificate(), certificate());
    let (certificate, key) = write(&scratch, &own);
    assert!(Identity::load(&certificate, &key).is_ok());
    let refused = |certificate: &PathBuf, key: &PathBuf| Identity::load(certificate, key).unwrap_err();
    let missing = scratch.path("missing");
    assert!(matches!(refused(&missing, &key), TlsError::Unreadable { .. }));
    assert!(matches!(refused(&certificate, &missing), TlsError::Unreadable { .. }));
    assert!(matches!(refused(&PathBuf::from("/dev/zero"), &key), TlsError::Unreadable { .. }));
    assert!(matches!(refused(&key, &key), TlsError::Nothing { what: "certificate", .. }));
    assert!(matches!(refused(&certificate, &certificate), TlsError::Nothing { what: "private key", .. }));
    let foreign = scratch.path("other.key");
    fs::write(&foreign, other.signing_key.serialize_pem()).unwrap();
    let mismatch = refused(&certificate, &foreign);
    assert!(matches!(mismatch, TlsError::OtherKey { .. }), "{mismatch}");
    assert_eq!(mismatch.path(), foreign);
    let broken = scratch.path("broken");
    for text in [
        "",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
    ] {
        fs::write(&broken, text).unwrap();
        assert!(Identity::load(&broken, &key).is_err(), "{text}");
    }
}
