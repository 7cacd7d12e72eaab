//! A DICOMweb store (PS3.18) that takes results: they go there by STOW-RS (`stow`), and a query by QIDO-RS (`query`)
//! tells whether they are there. What we show it is in `pass`.

mod pass;
mod query;
mod stow;

use crate::config::Peer;
use crate::outgoing::{Address, Outgoing, OutgoingError};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use centinela_domain::UnixMs;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use pass::Pass;
use std::time::Duration;

const DICOM_JSON: &str = "application/dicom+json";

/// One object to store.
#[derive(Debug, Clone)]
pub struct Object {
    /// Study Instance UID.
    pub study: String,
    /// SOP Instance UID.
    pub instance: String,
    /// The Part 10 file.
    pub part10: Bytes,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The store answered for this instance, in the status codes of C-STORE.
    Answered(DimseStatus),
    /// The store cannot be had.
    Away(String),
    /// There was no answer to this object, or one that asks for patience; perhaps it says for how many seconds.
    Later(String, Option<u64>),
    /// The store answered, but not as one that takes our requests: something must be configured.
    Misdirected(String),
    /// This object will never be taken as it is.
    Refused(String),
}

impl Fate {
    /// The same in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Answered(status) => format!("the store answered {status}"),
            Self::Away(why) | Self::Later(why, _) | Self::Misdirected(why) | Self::Refused(why) => why.clone(),
        }
    }
}

/// A DICOMweb store, and what we show it.
#[derive(Debug)]
pub struct Store {
    client: Outgoing,
    base: Address,
    pass: Pass,
}

impl Store {
    /// A store, with the certificates as they are now.
    ///
    /// # Errors
    /// If the certificates of the peer were not loaded.
    pub fn new(peer: &Peer, base: &Address, connect: Duration, within: Duration) -> Result<Self> {
        let tls = match &peer.tls {
            Some(tls) => Some(tls.connector.as_ref().context("its certificates were not loaded")?),
            None => None,
        };
        Ok(Self { client: Outgoing::new(tls, connect, within), base: base.clone(), pass: Pass::of(peer) })
    }

    /// Stores an object. A token that the store does not take any more is asked for once anew.
    pub async fn store(&mut self, object: &Object, now: UnixMs) -> Fate {
        let mut asked_anew = false;
        loop {
            let token = match self.pass.token(&self.client, now).await {
                Ok(token) => token,
                Err(fate) => return fate,
            };
            let fate = stow::send(&self.client, &self.base, token.as_deref(), object).await;
            if matches!(fate, Fate::Misdirected(_)) && !asked_anew && self.pass.forget() {
                asked_anew = true;
                continue;
            }
            return fate;
        }
    }

    /// Whether it lists an instance; its token likewise.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn holds(&mut self, study: &Uid, instance: &Uid, now: UnixMs) -> Result<bool, Fate> {
        let mut asked_anew = false;
        loop {
            let token = self.pass.token(&self.client, now).await?;
            let found = query::holds(&self.client, &self.base, token.as_deref(), (study, instance)).await;
            if matches!(found, Err(Fate::Misdirected(_))) && !asked_anew && self.pass.forget() {
                asked_anew = true;
                continue;
            }
            return found;
        }
    }
}

/// What it means that there was no answer.
fn no_answer(error: &OutgoingError) -> Fate {
    match error {
        OutgoingError::Unreachable(_) => Fate::Away(error.to_string()),
        OutgoingError::TimedOut(_) | OutgoingError::Unreadable => Fate::Later(error.to_string(), None),
        OutgoingError::Request(_) => Fate::Misdirected(error.to_string()),
    }
}
