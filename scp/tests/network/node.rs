//! A node under test: the acceptor with a handler that keeps everything in memory.

use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    AssociationChange, AssociationEvent, CalledRule, CallerRule, CommitmentRequest, Limits, Policy, ReceivedInstance,
    Security, StoreHandler, StoreRequest, serve,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One instance that the handler got.
#[derive(Clone)]
pub struct Kept {
    pub request: StoreRequest,
    pub file: Vec<u8>,
    pub dataset_offset: usize,
    pub digest: String,
    pub file_bytes: u64,
}

impl Kept {
    pub fn data_set(&self) -> &[u8] {
        &self.file[self.dataset_offset..]
    }
}

/// What the handler does; changed while the node runs.
#[derive(Default)]
pub struct Memory {
    pub kept: Mutex<Vec<Kept>>,
    pub events: Mutex<Vec<AssociationChange>>,
    pub refuse: Mutex<Option<DimseStatus>>,
    pub answer: Mutex<Option<DimseStatus>>,
    pub panic: Mutex<bool>,
    pub asked: Mutex<Vec<CommitmentRequest>>,
    pub congested: Mutex<bool>,
}

impl StoreHandler for Memory {
    fn congested(&self) -> bool {
        *self.congested.lock().unwrap()
    }

    async fn admit(&self, _: &StoreRequest) -> Result<(), DimseStatus> {
        (*self.refuse.lock().unwrap()).map_or(Ok(()), Err)
    }

    async fn store(&self, mut received: ReceivedInstance) -> DimseStatus {
        let panic = *self.panic.lock().unwrap();
        assert!(!panic, "the handler panics as told");
        if received.spooled.settle().is_err() {
            return DimseStatus::OUT_OF_RESOURCES;
        }
        let spooled = &received.spooled;
        self.kept.lock().unwrap().push(Kept {
            request: received.request.clone(),
            file: std::fs::read(&spooled.path).unwrap(),
            dataset_offset: usize::try_from(spooled.dataset_offset).unwrap(),
            digest: spooled.digest.to_string(),
            file_bytes: spooled.bytes,
        });
        self.answer.lock().unwrap().unwrap_or(DimseStatus::SUCCESS)
    }

    async fn commit(&self, request: CommitmentRequest) -> DimseStatus {
        self.asked.lock().unwrap().push(request);
        self.answer.lock().unwrap().unwrap_or(DimseStatus::SUCCESS)
    }

    fn observe(&self, event: AssociationEvent) {
        self.events.lock().unwrap().push(event.change);
    }
}

/// A running acceptor with its own spool.
pub struct Node {
    pub address: SocketAddr,
    pub memory: Arc<Memory>,
    pub spool: PathBuf,
    pub stop: CancellationToken,
    pub task: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl Node {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with a changed policy.
    pub async fn with(change: impl FnOnce(&mut Policy)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut policy = Policy {
            ae_title: AeTitle::parse("NODE").unwrap(),
            called: CalledRule::Own,
            callers: CallerRule::Any,
            accept_any_abstract_syntax: true,
            commitment: true,
            spool: folder.path().join("spool"),
            direct_io: true,
            limits: Limits::default(),
            implementation_class_uid: Uid::parse("2.25.4711").unwrap(),
            implementation_version: "CENTINELA_TEST".to_owned(),
            drain_timeout: Duration::from_secs(5),
            security: Security::default(),
        };
        change(&mut policy);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (memory, stop) = (Arc::new(Memory::default()), CancellationToken::new());
        let spool = policy.spool.clone();
        let task = tokio::spawn(serve(listener, Arc::new(policy), memory.clone(), stop.clone()));
        Self { address, memory, spool, stop, task, _folder: folder }
    }

    pub fn kept(&self) -> Vec<Kept> {
        self.memory.kept.lock().unwrap().clone()
    }

    /// Waits until an event like this was observed.
    pub async fn observed(&self, wanted: impl Fn(&AssociationChange) -> bool) -> AssociationChange {
        for _ in 0..500 {
            if let Some(change) = self.memory.events.lock().unwrap().iter().find(|c| wanted(c)) {
                return change.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not observed; only {:?}", self.memory.events.lock().unwrap());
    }

    /// Waits until the spool is empty: nothing half-received is left.
    pub async fn spool_is_empty(&self) {
        for _ in 0..500 {
            if std::fs::read_dir(&self.spool).unwrap().next().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the spool still holds files");
    }
}
