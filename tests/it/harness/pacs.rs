//! A PACS in this process that keeps what it receives and can be told to misbehave.

use centinela_domain::ae::AeTitle;
use centinela_domain::implementation::implementation_class_uid;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    CalledRule, Caller, CallerRule, Limits, Policy, ReceivedInstance, Security, StoreHandler, StoreRequest,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What arrived: SOP Instance UID to each received data set's digest and Part 10 bytes.
type Shelf = BTreeMap<String, Vec<(String, Vec<u8>)>>;

/// A receiver.
pub struct Pacs {
    pub port: u16,
    keeper: Arc<Keeper>,
    policy: Arc<Policy>,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
    _spool: TempDir,
}

#[derive(Default)]
struct Keeper {
    shelf: Mutex<Shelf>,
    /// When each SOP Instance UID arrived for the first time.
    first: Mutex<BTreeMap<String, Instant>>,
    status: AtomicU16,
    digests_only: AtomicBool,
}

impl StoreHandler for Keeper {
    async fn admit(&self, _request: &StoreRequest) -> Result<(), DimseStatus> {
        match self.status.load(Ordering::SeqCst) {
            0 => Ok(()),
            status => Err(DimseStatus(status)),
        }
    }

    async fn store(&self, mut received: ReceivedInstance) -> DimseStatus {
        received.spooled.settle().unwrap();
        let bytes = match self.digests_only.load(Ordering::SeqCst) {
            true => Vec::new(),
            false => std::fs::read(&received.spooled.path).unwrap(),
        };
        let sop = received.request.sop_instance.to_string();
        let digest = received.spooled.digest.to_string();
        self.first.lock().unwrap().entry(sop.clone()).or_insert_with(Instant::now);
        self.shelf.lock().unwrap().entry(sop).or_default().push((digest, bytes));
        DimseStatus::SUCCESS
    }
}

impl Pacs {
    /// Starts on any free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts on a given port.
    pub fn start_on(port: u16) -> Self {
        Self::with(port, CallerRule::Any)
    }

    /// Starts on a given port, 0 for any, and takes only these classes from the node.
    pub fn taking(port: u16, classes: &[&str]) -> Self {
        let classes = classes.iter().map(|class| Uid::parse(class).unwrap()).collect();
        let node = Caller { classes: Some(classes), ..Caller::new(AeTitle::parse("CENTINELA").unwrap()) };
        Self::with(port, CallerRule::Listed(vec![node]))
    }

    fn with(port: u16, callers: CallerRule) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let spool = tempfile::tempdir().unwrap();
        let policy = Policy {
            ae_title: AeTitle::parse("PACS").unwrap(),
            called: CalledRule::Own,
            callers,
            accept_any_abstract_syntax: true,
            commitment: false,
            spool: spool.path().to_owned(),
            direct_io: true,
            limits: Limits::default(),
            implementation_class_uid: implementation_class_uid(),
            implementation_version: "TESTPACS".into(),
            drain_timeout: Duration::from_millis(200),
            security: Security::default(),
        };
        let (policy, keeper) = (Arc::new(policy), Arc::default());
        let (stop, runtime) = (CancellationToken::new(), Some(runtime));
        let mut pacs = Self { port, keeper, policy, stop, serving: None, runtime, _spool: spool };
        pacs.serve(listener);
        pacs
    }

    fn serve(&mut self, listener: TcpListener) {
        let served = centinela_scp::serve(listener, self.policy.clone(), self.keeper.clone(), self.stop.clone());
        self.serving = Some(self.runtime.as_ref().unwrap().spawn(async move {
            let _ = served.await;
        }));
    }

    /// Goes away: what is open ends, and nobody listens any more. What arrived stays.
    pub fn leave(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            self.runtime.as_ref().unwrap().block_on(serving).unwrap();
        }
    }

    /// Comes back, on the same port.
    pub fn come_back(&mut self) {
        self.stop = CancellationToken::new();
        let runtime = self.runtime.as_ref().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", self.port))).unwrap();
        self.serve(listener);
    }

    /// Keeps digests and no bytes, for thousands of objects.
    pub fn digests_only(self) -> Self {
        self.keeper.digests_only.store(true, Ordering::SeqCst);
        self
    }

    /// How many different objects arrived so far.
    pub fn count(&self) -> usize {
        self.keeper.shelf.lock().unwrap().len()
    }

    /// When each object arrived for the first time.
    pub fn first_seen(&self) -> BTreeMap<String, Instant> {
        self.keeper.first.lock().unwrap().clone()
    }

    /// Answers every C-STORE with this status from now on.
    pub fn answer(&self, status: u16) {
        self.keeper.status.store(status, Ordering::SeqCst);
    }

    /// What arrived so far: for each SOP Instance UID every received copy.
    pub fn shelf(&self) -> Shelf {
        self.keeper.shelf.lock().unwrap().clone()
    }
}

impl Drop for Pacs {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}
