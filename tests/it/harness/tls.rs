//! Certificates for one test, a node that uses them, and hand-made ClientHellos.

use super::node::{Home, Peer};
use super::tools::{must, python, run, script};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tempfile::TempDir;

/// A folder of certificates; each has a file `.pem` and a file `.key`.
pub struct Certificates(TempDir);

impl Certificates {
    pub fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        must(script("certificates.sh").to_str().unwrap(), &[dir.path().to_str().unwrap()]);
        Self(dir)
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    /// Puts the content of one file into the place of another, at once.
    pub fn put(&self, from: &str, to: &str) {
        let fresh = self.path("fresh");
        std::fs::copy(self.path(from), &fresh).unwrap();
        std::fs::rename(fresh, self.path(to)).unwrap();
    }

    /// A home whose node has a TLS listener, asks for certificates of our authority and looks at
    /// the files each second.
    pub fn home(&self, peers: &[Peer]) -> Home {
        // Copies, which a test may replace.
        for (from, to) in [("node.pem", "own.pem"), ("node.key", "own.key"), ("ca.crl.pem", "own.crl")] {
            self.put(from, to);
        }
        Home::new(peers)
            .set("CENTINELA__TLS__ENABLED", "true")
            .set("CENTINELA__TLS__BIND", "127.0.0.1")
            .set("CENTINELA__TLS__PORT", "0")
            .set("CENTINELA__TLS__CERTIFICATE", &self.path("own.pem"))
            .set("CENTINELA__TLS__KEY", &self.path("own.key"))
            .set("CENTINELA__TLS__CA", &self.path("ca.pem"))
            .set("CENTINELA__TLS__CRL", &self.path("own.crl"))
            .set("CENTINELA__TLS__RELOAD", "1")
    }

    /// Options of a DCMTK tool that calls with this certificate.
    pub fn dcmtk(&self, name: &str) -> Vec<String> {
        let own = ["+tls".into(), self.path(&format!("{name}.key")), self.path(&format!("{name}.pem"))];
        let mut options = own.to_vec();
        options.extend(["+cf".to_owned(), self.path("ca.pem")]);
        options
    }
}

/// What pynetdicom says, called as `tests/it/scripts/pynetdicom_tls.py` tells; `own` names a
/// certificate.
pub fn pynetdicom(certificates: &Certificates, port: &str, own: &str, version: &str, rest: &[&str]) -> String {
    let program = script("pynetdicom_tls.py");
    let authority = certificates.path("ca.pem");
    let own = if own == "-" { own.to_owned() } else { certificates.path(own) };
    let mut arguments = vec![program.to_str().unwrap(), port, &authority, &own, version];
    arguments.extend(rest);
    let done = run(&python(), &arguments);
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{rest:?}: {}\n{complaints}", done.status);
    // Its threads may complain while they end; what it prints is its answer.
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A ClientHello of `version` with these cipher suites, offering `supported` versions if there are
/// any (RFC 5246 and RFC 8446 sections 4.1.2 and 4.2).
pub fn client_hello(version: u16, suites: &[u16], supported: &[u16]) -> Vec<u8> {
    fn block(width: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        [&length[4 - width..], content].concat()
    }
    let words = |values: &[u16]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<u8>>();
    let extension = |kind: u16, content: Vec<u8>| [kind.to_be_bytes().to_vec(), block(2, &content)].concat();
    let mut extensions = [
        extension(10, block(2, &words(&[0x0017]))), // secp256r1
        extension(11, block(1, &[0])),              // uncompressed points
        extension(13, block(2, &words(&[0x0403, 0x0804, 0x0401]))),
    ]
    .concat();
    if !supported.is_empty() {
        extensions.extend(extension(43, block(1, &words(supported))));
    }
    let hello = [
        version.to_be_bytes().to_vec(),
        vec![7; 32],
        block(1, &[]),
        block(2, &words(suites)),
        block(1, &[0]),
        block(2, &extensions),
    ]
    .concat();
    let handshake = [vec![1], block(3, &hello)].concat();
    // The record layer of a hello says 1.0 at most (RFC 8446 appendix D).
    [vec![22], version.min(0x0301).to_be_bytes().to_vec(), block(2, &handshake)].concat()
}

/// Sends bytes and reads until the peer closes; it must within ten seconds.
pub fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or_else(|e| panic!("{e} after {answer:?}"));
    answer
}
