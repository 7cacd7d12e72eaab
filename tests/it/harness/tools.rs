//! Foreign tools: DCMTK, dicom3tools, Python. A missing one fails with the command that installs it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

/// Runs a tool to its end.
pub fn run(tool: &str, arguments: &[&str]) -> Output {
    Command::new(tool).args(arguments).env("TCP_NODELAY", "1").output().unwrap_or_else(|e| {
        panic!("{tool}: {e}; install it: apt-get install -y dcmtk orthanc dicom3tools (or run `make test` as root)")
    })
}

/// Runs a tool that must succeed.
pub fn must(tool: &str, arguments: &[&str]) -> String {
    let done = run(tool, arguments);
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{tool} {arguments:?}: {}\n{text}", done.status);
    text
}

/// Pushes files with DCMTK's storescu, as MODALITY; true if every file was stored.
pub fn storescu(port: u16, options: &[&str], files: &[&Path]) -> bool {
    let port = port.to_string();
    let mut arguments = vec!["-aet", "MODALITY", "-aec", "CENTINELA"];
    arguments.extend(options);
    arguments.extend(["127.0.0.1", &port]);
    arguments.extend(files.iter().map(|f| f.to_str().unwrap()));
    run("storescu", &arguments).status.success()
}

/// The Python of the test environment, with pydicom and highdicom.
pub fn python() -> String {
    let python = std::env::var("CENTINELA_PYTHON").unwrap_or_else(|_| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python").to_str().unwrap().to_owned()
    });
    assert!(Path::new(&python).exists(), "{python} is missing; `scripts/venv.sh test` makes it");
    python
}

/// A script of the test folder.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scripts").join(name)
}

/// A free port, for a tool that cannot choose one itself: each is given once, and from below the range in
/// which the system chooses ports for the thousands of connections that other tests open.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 12_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = begin + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
