//! Hostile peers against the real program. Each probe comes from 127.0.0.2, while a well-behaved
//! modality on 127.0.0.1 asks C-ECHO over and over. A probe must end in A-ASSOCIATE-RJ, A-ABORT or a
//! close; the node's own memory may grow by 64 MiB; no echo may take longer than a second.

mod association;
mod callers;
mod content;
mod flood;
mod message;
mod peer;

use crate::harness::node::{Home, Node};
use crate::harness::until;
use centinela_domain::ae::AeTitle;
use centinela_domain::implementation::implementation_class_uid;
use centinela_domain::status::DimseStatus;
use centinela_scp::{ProposedContext, Remote, Requestor, RequestorOptions};
use peer::Hostile;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the node may take beyond what it takes idle, in KiB.
const MEMORY: u64 = 64 << 10;
/// For C-ECHO of the well-behaved peer, connection and release included.
const ECHO: Duration = Duration::from_secs(1);

/// A home whose timers are short and that analyses nothing.
pub fn home() -> Home {
    Home::new(&[])
        .set("CENTINELA__ANALYZE__ENABLED", "false")
        .set("CENTINELA__DICOM__ARTIM_TIMEOUT", "1")
        .set("CENTINELA__DICOM__STALL_TIMEOUT", "2")
        .set("CENTINELA__DICOM__IDLE_TIMEOUT", "3")
        .set("CENTINELA__DICOM__RATE_WINDOW", "1")
        .set("CENTINELA__DICOM__MIN_RATE", "1000")
}

/// A node under attack, with a bystander and an eye on its memory.
pub struct Scene<'h> {
    pub node: Node<'h>,
    idle: u64,
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    bystander: Option<JoinHandle<Echoes>>,
    eye: Option<JoinHandle<()>>,
}

/// What the bystander saw.
struct Echoes {
    count: u32,
    longest: Duration,
    failed: Option<String>,
}

impl<'h> Scene<'h> {
    pub fn start(home: &'h Home) -> Self {
        let node = home.start();
        let (port, pid) = (node.dicom, node.pid());
        echo(port).unwrap();
        let idle = own_memory(pid);
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(idle)));
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&peak));
        let eye = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(own_memory(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let stopped = Arc::clone(&stop);
        let bystander = std::thread::spawn(move || bystander(port, &stopped));
        Self { node, idle, stop, peak, bystander: Some(bystander), eye: Some(eye) }
    }

    pub fn connect(&self) -> Hostile {
        Hostile::connect(self.node.dicom)
    }

    pub fn associated(&self) -> Hostile {
        Hostile::associated(self.node.dicom)
    }

    /// Nothing half-received lies in the spool.
    pub fn spool_is_empty(&self) {
        until("the spool is empty", || {
            std::fs::read_dir(self.node.home.data().join("spool")).unwrap().next().is_none().then_some(())
        });
    }

    /// Judges, prints the figures and stops the node.
    pub fn end(mut self, probe: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let echoes = self.bystander.take().unwrap().join().unwrap();
        self.eye.take().unwrap().join().unwrap();
        let grown = self.peak.load(Ordering::Relaxed).saturating_sub(self.idle);
        println!(
            "{probe}: {grown} KiB over {} KiB idle; {} echoes, the longest {} ms",
            self.idle,
            echoes.count,
            echoes.longest.as_millis()
        );
        assert_eq!(echoes.failed, None, "{probe}");
        assert!(echoes.count > 0 && echoes.longest <= ECHO, "{probe}: an echo took {:?}", echoes.longest);
        assert!(grown <= MEMORY, "{probe}: {grown} KiB");
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // A failed test must not leave its threads behind.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// RssAnon of a process, in KiB (proc(5)).
fn own_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn bystander(port: u16, stop: &AtomicBool) -> Echoes {
    let mut echoes = Echoes { count: 0, longest: Duration::ZERO, failed: None };
    // At least one echo after the probe.
    let mut last = false;
    while !last {
        last = stop.load(Ordering::Relaxed);
        let begin = Instant::now();
        if let Err(error) = echo(port) {
            echoes.failed = Some(error);
            return echoes;
        }
        echoes.count += 1;
        echoes.longest = echoes.longest.max(begin.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    echoes
}

/// C-ECHO as MODALITY from 127.0.0.1 with an association of its own.
fn echo(port: u16) -> Result<(), String> {
    let remote = Remote { ae_title: AeTitle::parse("CENTINELA").unwrap(), host: "127.0.0.1".into(), port, tls: None };
    let options = RequestorOptions {
        calling: AeTitle::parse("MODALITY").unwrap(),
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(10),
        max_pdu: 16_384,
        implementation_class_uid: implementation_class_uid(),
        implementation_version: "BYSTANDER".into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = [ProposedContext::verification()];
        let mut requestor = Requestor::open(&remote, &options, &context).await.map_err(|e| e.to_string())?;
        let status = requestor.echo().await.map_err(|e| e.to_string())?;
        requestor.release().await;
        if status == DimseStatus::SUCCESS { Ok(()) } else { Err(format!("status {status}")) }
    })
}
