//! Answers about peers: who they are, what they take, when they called.

use super::super::schema::dto;
use super::super::time::Time;
use std::collections::BTreeMap;

dto! {
    /// A peer of ae-titles.toml.
    PeerSummary {
        /// Our name for it.
        name: String,
        /// Its AE title; null where it speaks no DICOM.
        ae_title: Option<String>,
        /// Host name or address.
        host: Option<String>,
        /// DICOM port.
        port: Option<u16>,
        /// The DICOMweb store to which results go by STOW-RS.
        url: Option<String>,
        /// The folder into which results go.
        folder: Option<String>,
        /// Whether it may push studies to us.
        sends: bool,
        /// What it receives: full, compat, minimal, research, none, auto, or kinds with commas between.
        deliver: String,
        /// The kinds that it gets now; null where it has not said yet what it takes.
        kinds: Option<Vec<String>>,
        /// When it hears that nothing was analysed: none, chest or all.
        on_skip: String,
        /// What it last said that it takes; null where it was never asked under this entry.
        probe: Option<ProbeSummary>,
        /// When it last called us.
        heard_at: Option<Time>,
        /// The address from which it did.
        heard_from: Option<String>,
        /// How many deliveries are in each state.
        deliveries: BTreeMap<String, i64>,
    }

    /// What a peer takes of what we could send.
    ProbeSummary {
        /// When it was last asked.
        at: Time,
        /// answered, takes_nothing, or the word of the cause why it did not answer.
        outcome: String,
        /// The same in words, if it is not answered.
        error: Option<String>,
        /// When it last answered.
        answered_at: Option<Time>,
        /// Implementation version and class that it named.
        implementation: Option<String>,
        /// The transfer syntaxes that it takes of each class, by SOP Class UID.
        classes: BTreeMap<String, Vec<String>>,
        /// The class in which reports go there.
        sr_class: Option<String>,
        /// The deliver that fits.
        recommended: Option<String>,
    }

    /// Who we are and whom we know.
    PeerList {
        /// Our own AE title.
        ae_title: String,
        /// The peers.
        peers: Vec<PeerSummary>,
    }
}
