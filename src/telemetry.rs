//! Log lines: text for people or JSON for collectors. Ids and numbers only, never PHI.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging on standard error. A second call in one process changes nothing.
pub fn init(log: &Log) {
    // The libraries below us are chatty at info and may quote values: they speak from warn on.
    let filter =
        format!("warn,centinela={level},centinela_scp={level},centinela_models={level}", level = log.level.as_str());
    let builder = fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr).with_target(false);
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A panic's message may quote what it choked on; its place is enough to find the fault.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a part of the program panicked; the rest goes on");
    }));
}
