//! The node in this process, where a test needs its clock or its database.

use centinela::config::{Config, Peers};
use std::path::Path;

/// The peers of a node to which MODALITY may send.
pub const MODALITY: &str =
    "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"m\"\nae_title = \"MODALITY\"\nsends = true\n";

/// The defaults with these peers, on any free port of this machine, however little space there is.
pub fn config(data: &Path, peers: &str) -> Config {
    let mut config = Config::embedded(Peers::parse("peers", peers, &mut Vec::new()).unwrap()).unwrap();
    config.settings.storage.data_dir = data.to_owned();
    config.settings.storage.min_free = 0;
    config.settings.storage.low_free = 0;
    config.settings.dicom.bind = "127.0.0.1".parse().unwrap();
    config.settings.dicom.port = 0;
    config
}
