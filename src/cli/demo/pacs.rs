//! The demonstration's PACS: a receiver that keeps files in a folder.

use super::pacs_title;
use anyhow::{Context as _, Result};
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_domain::status::DimseStatus;
use centinela_scp::{CalledRule, CallerRule, Limits, Policy, ReceivedInstance, Security, StoreHandler, StoreRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running receiver.
#[derive(Debug)]
pub struct Pacs {
    /// Where it listens on the loopback interface.
    pub port: u16,
    folder: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

struct Folder(PathBuf);

impl StoreHandler for Folder {
    async fn admit(&self, _request: &StoreRequest) -> Result<(), DimseStatus> {
        Ok(())
    }

    async fn store(&self, mut received: ReceivedInstance) -> DimseStatus {
        let target = self.0.join(format!("{}.dcm", received.request.sop_instance));
        let kept = tokio::task::spawn_blocking(move || {
            received.spooled.settle()?;
            std::fs::rename(&received.spooled.path, &target)?;
            received.spooled.keep();
            std::io::Result::Ok(())
        });
        match kept.await {
            Ok(Ok(())) => DimseStatus::SUCCESS,
            _ => DimseStatus::OUT_OF_RESOURCES,
        }
    }
}

impl Pacs {
    /// Starts a receiver that keeps its files in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be made or no port is free.
    pub async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen for the PACS")?;
        let port = listener.local_addr()?.port();
        let policy = Policy {
            ae_title: pacs_title()?,
            called: CalledRule::Own,
            callers: CallerRule::Any,
            accept_any_abstract_syntax: true,
            commitment: false,
            spool: folder.join("spool"),
            direct_io: true,
            limits: Limits::default(),
            implementation_class_uid: implementation_class_uid(),
            implementation_version: IMPLEMENTATION_VERSION.to_owned(),
            drain_timeout: Duration::from_secs(5),
            security: Security::default(),
        };
        let stop = CancellationToken::new();
        let handler = Arc::new(Folder(folder.to_owned()));
        let task = tokio::spawn(centinela_scp::serve(listener, Arc::new(policy), handler, stop.clone()));
        Ok(Self { port, folder: folder.to_owned(), stop, task })
    }

    /// Stops it; returns how many objects it holds.
    ///
    /// # Errors
    /// If it had failed.
    pub async fn stop(self) -> Result<usize> {
        self.stop.cancel();
        self.task.await?.context("the PACS failed")?;
        let entries = std::fs::read_dir(&self.folder)?;
        Ok(entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "dcm")).count())
    }
}
