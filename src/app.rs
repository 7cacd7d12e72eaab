//! What every role shares: the composition root, a cheap clone.

use crate::blob::{Blobs, FsBlobs};
use crate::clock::Clock;
use crate::commitment::Channels;
use crate::config::{Assume, Config};
use crate::loaded::{LoadedModel, Slot};
use crate::queue::Bell;
use crate::store::{self, Db};
use anyhow::{Context as _, Result, bail};
use centinela_domain::UnixMs;
use centinela_domain::gate::{self, GatePolicy};
use centinela_domain::result;
use centinela_domain::uid::Uid;
use centinela_scp::RefusalCause;
use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Counters of this process, for /metrics.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counters {
    pub associations_accepted: AtomicU64,
    pub associations_rejected: AtomicU64,
    pub associations_aborted: AtomicU64,
    pub instances_stored: AtomicU64,
    pub instances_refused: AtomicU64,
    pub bytes_stored: AtomicU64,
    /// In the order of [`RefusalCause::ALL`].
    pub calls_refused: [AtomicU64; RefusalCause::ALL.len()],
}

impl Counters {
    /// Counts one refused call.
    pub fn refused(&self, cause: RefusalCause) {
        if let Some(n) = RefusalCause::ALL.iter().position(|known| known.group() == cause.group()) {
            Self::add(&self.calls_refused[n], 1);
        }
    }

    /// Counts one more.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Everything that the roles share.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// Rows.
    pub db: Db,
    /// Bytes.
    pub blobs: Blobs,
    /// Time.
    pub clock: Clock,
    /// Rings when a job was enqueued.
    pub work: Bell,
    /// Rings when a delivery was scheduled.
    pub outbox: Bell,
    /// Rings when a film was refused for want of space.
    pub room: Bell,
    /// Rings when storage commitment was asked for.
    pub asked: Bell,
    /// Associations on which commitment can be reported.
    pub channels: Channels,
    /// Who we are in result objects.
    pub node: result::Node,
    /// The model.
    pub model: Slot,
    /// Counters of this process.
    pub counters: Counters,
    /// Unfinished files.
    pub spool: PathBuf,
    /// Held while this process uses the data directory.
    _lock: File,
}

impl App {
    /// Opens the data directory, the database and the model. Reads like a boot log.
    ///
    /// # Errors
    /// The first thing that cannot be opened, with the remedy where there is one.
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Self>> {
        let data = &config.settings.storage.data_dir;
        std::fs::create_dir_all(data).with_context(|| format!("make data directory {}", data.display()))?;
        // Films of patients: nobody else on this machine may look in.
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("restrict data directory {} to its owner", data.display()))?;
        let lock = lock(data)?;
        let db = match config.settings.storage.database.as_str() {
            "" => Db::open_sqlite(&data.join("centinela.db")).await?,
            url => Db::open_postgres(url).await?,
        };
        tracing::info!("database ready");
        let spool = data.join("spool");
        let files = FsBlobs::open(data.join("blobs"), spool.clone())?;
        let swept = files.sweep()?;
        sweep_orphans(&db, &files, clock.now()).await?;
        let blobs = Blobs::Fs(files);
        blobs.probe().context("the data directory cannot hold bytes")?;
        tracing::info!(unfinished_removed = swept, "blobs ready");
        let model = Slot::default();
        if config.settings.analyze.enabled {
            let loaded = LoadedModel::configured(&config.settings)?;
            tracing::info!(model.name = loaded.reference.name, model.version = loaded.reference.version, "model ready");
            model.put(loaded);
        }
        let mut tx = db.write().await?;
        let now = clock.now();
        let jobs = store::jobs::release_all(&mut tx, now).await?;
        let deliveries = store::deliveries::release_all(&mut tx, now).await?;
        store::handovers::end_all(&mut tx, None, now).await?;
        store::commitments::release_all(&mut tx).await?;
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let serial = store::settings::get_or_insert(&mut tx, "serial_number", &fresh).await?;
        tx.commit().await?;
        tracing::info!(jobs, deliveries, "interrupted work taken up again");
        let node = node(&config, &serial);
        Ok(Arc::new(Self {
            config,
            db,
            blobs,
            clock,
            work: Bell::local(),
            outbox: Bell::local(),
            room: Bell::local(),
            asked: Bell::local(),
            channels: Channels::default(),
            node,
            model,
            counters: Counters::default(),
            spool,
            _lock: lock,
        }))
    }

    /// The language of result texts.
    #[must_use]
    pub fn language(&self) -> result::Language {
        self.config.settings.node.language
    }

    /// What the gate lets pass for the loaded model.
    #[must_use]
    pub fn gate_policy(&self) -> GatePolicy {
        let ages = self.model.get().map_or((0, u16::MAX), |m| m.ages);
        gate_policy(self.config.settings.analyze.assume, ages)
    }

    /// The model as it is now, or an error for processes without one.
    ///
    /// # Errors
    /// If `[analyze] enabled` is false.
    pub fn model(&self) -> Result<Arc<LoadedModel>> {
        self.model.get().context("this process has no model: [analyze] enabled is false")
    }
}

/// A start looks up at most so many files one by one.
const MOST_DOUBTS: usize = 64;

/// Sets films aside that a dead process made durable without their rows: nobody was told that we have
/// them. Only what came at the end of the last run is looked at.
async fn sweep_orphans(db: &Db, files: &FsBlobs, now: UnixMs) -> Result<()> {
    let (keys, since) = files.latest("instances")?;
    let millis = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        UnixMs::try_from(since).unwrap_or(UnixMs::MAX)
    };
    let mut tx = db.read().await?;
    let named: HashSet<String> = store::instances::blobs_since(&mut tx, millis(since)).await?.into_iter().collect();
    let mut aside = 0;
    // A film that came again has its new file under an old row.
    for key in keys.iter().filter(|key| !named.contains(*key)).take(MOST_DOUBTS) {
        if !store::instances::names_blob(&mut tx, key).await? {
            files.set_aside(key)?;
            aside += 1;
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or(0));
    let forgotten = files.forget(now)?;
    if aside + forgotten > 0 {
        tracing::warn!(
            aside,
            forgotten,
            "films without rows, whose senders have no answer, were set aside in unclaimed/"
        );
    }
    Ok(())
}

/// The gate's policy for a model's ages.
#[must_use]
pub fn gate_policy(assume: Assume, (age_min, age_max): (u16, u16)) -> GatePolicy {
    let assume = match assume {
        Assume::Analyze => gate::Assume::Analyze,
        Assume::Skip => gate::Assume::Skip,
    };
    GatePolicy { assume, age_min, age_max }
}

/// Who we are, as result objects say it.
#[must_use]
pub fn node(config: &Config, serial: &str) -> result::Node {
    result::Node {
        manufacturer: gate::OWN_MANUFACTURER.to_owned(),
        model_name: gate::OWN_MODEL.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        serial_number: serial.to_owned(),
        device: Uid::derive(&["device", serial]),
        ae_title: config.peers.node.ae_title.to_string(),
    }
}

fn lock(data: &Path) -> Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("make lock file {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "the data directory {} is in use by another centinela process: stop it, or give this one its own --data-dir",
            data.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}
