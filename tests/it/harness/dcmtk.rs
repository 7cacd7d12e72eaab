//! DCMTK's storescp as a PACS that takes only certain classes, by a configuration file.

use super::objects::Object;
use super::tools::free_port;
use super::until;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub const SR_3D: &str = "1.2.840.10008.5.1.4.1.1.88.34";
pub const SR_COMPREHENSIVE: &str = "1.2.840.10008.5.1.4.1.1.88.33";
pub const SR_ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.88.22";
pub const GSPS: &str = "1.2.840.10008.5.1.4.1.1.11.1";
pub const SC: &str = "1.2.840.10008.5.1.4.1.1.7";

/// A running storescp.
pub struct StoreScp {
    pub port: u16,
    child: Child,
    dir: TempDir,
}

impl StoreScp {
    /// Takes Verification and these classes, in Explicit and Implicit VR Little Endian.
    pub fn taking(classes: &[&str]) -> Self {
        Self::start(classes, &["LittleEndianExplicit", "LittleEndianImplicit"], &[])
    }

    /// The same with other transfer syntaxes and more options.
    pub fn start(classes: &[&str], syntaxes: &[&str], options: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "[[TransferSyntaxes]]\n[All]\n".to_owned();
        for (n, syntax) in syntaxes.iter().enumerate() {
            text += &format!("TransferSyntax{} = {syntax}\n", n + 1);
        }
        text += "[[PresentationContexts]]\n[Taken]\n";
        for (n, class) in ["1.2.840.10008.1.1"].iter().chain(classes).enumerate() {
            text += &format!("PresentationContext{} = {class}\\All\n", n + 1);
        }
        text += "[[Profiles]]\n[Default]\nPresentationContexts = Taken\n";
        let config = dir.path().join("storescp.cfg");
        fs::write(&config, text).unwrap();
        let received = dir.path().join("received");
        fs::create_dir(&received).unwrap();
        let port = free_port();
        let child = Command::new("storescp")
            .args(options)
            .args(["-xf", config.to_str().unwrap(), "Default", "-od", received.to_str().unwrap(), &port.to_string()])
            .env("TCP_NODELAY", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("storescp: {e}; install it: apt-get install -y dcmtk"));
        until("storescp listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { port, child, dir }
    }

    /// What it received.
    pub fn received(&self) -> Vec<Object> {
        objects(&self.dir.path().join("received"))
    }
}

impl Drop for StoreScp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The objects in a folder.
pub fn objects(folder: &Path) -> Vec<Object> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| Object::read(&fs::read(path).unwrap())).collect()
}
