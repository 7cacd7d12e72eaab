//! `centinela serve`: boots the node, runs its roles, drains on SIGTERM. Reads like a boot log.

use super::Files;
use crate::alert;
use crate::analyze;
use crate::api;
use crate::app::App;
use crate::clock::Clock;
use crate::commitment;
use crate::config::{Called, Callers, Config, Peer};
use crate::credentials::Credentials;
use crate::delivery;
use crate::ingest::{self, Ingest};
use crate::proof;
use crate::retention;
use crate::telemetry;
use crate::timers;
use anyhow::{Context as _, Result, bail};
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_scp::{CalledRule, CallerRule, Limits, Listener, Policy, Security};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Flags of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Roles to run in this process
    #[arg(long, value_enum, value_delimiter = ',', default_value = "scp,worker,delivery,api")]
    role: Vec<Role>,
    /// DICOM port, instead of the configured one; 0 takes any free one
    #[arg(long, value_name = "N")]
    dicom_port: Option<u16>,
    /// DICOM TLS port, instead of the configured one; 0 takes any free one
    #[arg(long, value_name = "N")]
    tls_port: Option<u16>,
    /// API port, instead of the configured one; 0 takes any free one
    #[arg(long, value_name = "N")]
    api_port: Option<u16>,
}

/// A part of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Receive by C-STORE.
    Scp,
    /// Close studies and analyse them.
    Worker,
    /// Send results.
    Delivery,
    /// Answer HTTP.
    Api,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scp, Self::Worker, Self::Delivery, Self::Api];
}

/// A running node.
#[derive(Debug)]
pub struct Running {
    /// The shared application.
    pub app: Arc<App>,
    /// Where C-STORE is answered, if it is.
    pub dicom: Option<SocketAddr>,
    /// The same by TLS.
    pub tls: Option<SocketAddr>,
    /// Where HTTP is answered, if it is.
    pub api: Option<SocketAddr>,
    credentials: Credentials,
    roles: JoinSet<(&'static str, Result<()>)>,
    stop: CancellationToken,
}

impl Running {
    /// Opens everything and starts the roles.
    ///
    /// # Errors
    /// The first thing that fails, before any role has started.
    pub async fn start(config: Config, clock: Clock, wanted: &[Role]) -> Result<Self> {
        let app = App::open(config, clock).await?;
        let settings = &app.config.settings;
        let has = |role| wanted.contains(&role);
        let stop = CancellationToken::new();
        let mut roles = JoinSet::new();
        let (mut dicom, mut tls, mut http) = (None, None, None);
        let credentials = Credentials::load(&app.config, app.clock.clone(), has(Role::Scp))?;
        let scp = if has(Role::Scp) { listeners(&app.config, &credentials)? } else { Vec::new() };
        let api_listener = if has(Role::Api) {
            Some(bind(SocketAddr::new(settings.api.bind, settings.api.port), "API")?)
        } else {
            None
        };
        if has(Role::Worker) {
            roles.spawn(named("closing studies", ingest::completion::run(Arc::clone(&app), stop.clone())));
            if app.model.get().is_some() {
                roles.spawn(named("worker", analyze::run(Arc::clone(&app), stop.clone())));
            }
        }
        if has(Role::Delivery) {
            roles.spawn(named("delivery", delivery::run(Arc::clone(&app), stop.clone())));
            roles.spawn(named("proof", proof::run(Arc::clone(&app), stop.clone())));
            roles.spawn(named("alerts", alert::run(Arc::clone(&app), stop.clone())));
        }
        roles.spawn(named("timers", timers::run(Arc::clone(&app), stop.clone())));
        if has(Role::Scp) || has(Role::Worker) {
            let keep_days = app.config.settings.storage.keep_days;
            if keep_days > 0.0 {
                tracing::info!(keep_days, "films that are done with are deleted after [storage] keep_days");
            }
            roles.spawn(named("retention", retention::run(Arc::clone(&app), stop.clone())));
        }
        if has(Role::Scp) {
            roles.spawn(named("commitment", commitment::run(Arc::clone(&app), stop.clone())));
        }
        if let Some(listener) = api_listener {
            let address = listener.local_addr()?;
            http = Some(address);
            roles.spawn(named("api", api::serve(Arc::clone(&app), listener, stop.clone())));
            tracing::info!(role = "api", bind = %address.ip(), port = address.port(), "listening");
        }
        for listener in &scp {
            let (address, secure) = (listener.tcp.local_addr()?, listener.tls.is_some());
            let ae = app.config.peers.node.ae_title.as_str();
            let role = if secure { "scp-tls" } else { "scp" };
            *(if secure { &mut tls } else { &mut dicom }) = Some(address);
            tracing::info!(role, ae, bind = %address.ip(), port = address.port(), "listening");
        }
        if !scp.is_empty() {
            let policy = Arc::new(policy(&app, credentials.security(&app.config)));
            let (handler, commits) = Ingest::start(Arc::clone(&app));
            let (handler, stopped) = (Arc::new(handler), stop.clone());
            roles.spawn(named("commits", async {
                commits.await;
                Ok(())
            }));
            let calls = handler.refused_calls();
            roles.spawn(named("refused calls", ingest::refused::run(Arc::clone(&app), calls, stop.clone())));
            let heard = handler.calls();
            roles.spawn(named("calls", ingest::heard::run(Arc::clone(&app), heard, stop.clone())));
            roles.spawn(named("scp", async move {
                centinela_scp::serve_all(scp, policy, handler, stopped).await.context("DICOM listener")
            }));
        }
        Ok(Self { app, dicom, tls, api: http, credentials, roles, stop })
    }

    /// Waits until a role ends on its own (an error) or `until` is done, then drains.
    ///
    /// # Errors
    /// If a role ended on its own.
    pub async fn run_until(mut self, until: impl Future<Output = ()>) -> Result<()> {
        let ended = tokio::select! {
            ended = self.roles.join_next() => Some(ended),
            () = until => None,
        };
        self.stop.cancel();
        let drained = tokio::time::timeout(Duration::from_secs(40), async {
            while let Some(role) = self.roles.join_next().await {
                if let Ok((name, Err(error))) = role {
                    tracing::error!(role = name, "ended with an error: {error:#}");
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!("roles did not end within 40 s; leases will bring their work back");
        }
        self.app.db.close().await;
        match ended {
            None => Ok(()),
            Some(Some(Ok((name, Ok(()))))) => bail!("role {name} ended on its own"),
            Some(Some(Ok((name, Err(error))))) => Err(error).with_context(|| format!("role {name}")),
            Some(Some(Err(error))) => Err(error).context("a role panicked"),
            Some(None) => bail!("there was no role to run"),
        }
    }
}

async fn named(name: &'static str, role: impl Future<Output = Result<()>>) -> (&'static str, Result<()>) {
    (name, role.await)
}

/// Connections that wait to be accepted: a burst of a whole department.
const BACKLOG: u32 = 1024;

fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().with_context(|| {
        format!(
            "listen for {what} on {address}: choose another port, or let the process use it (see docs/operations.md)"
        )
    })
}

/// The listeners that are switched on.
pub(super) fn listeners(config: &Config, credentials: &Credentials) -> Result<Vec<Listener>> {
    let (dicom, tls) = (&config.settings.dicom, &config.settings.tls);
    let mut listeners = Vec::new();
    if dicom.plain {
        listeners.push(bind(SocketAddr::new(dicom.bind, dicom.port), "DICOM")?.into());
    }
    if let Some(acceptor) = &credentials.acceptor {
        let tcp = bind(SocketAddr::new(tls.bind, tls.port), "DICOM TLS")?;
        listeners.push(Listener { tcp, tls: Some(acceptor.clone()) });
    }
    Ok(listeners)
}

/// Which titles are answered, by the settings.
pub(super) const fn called(config: &Config) -> CalledRule {
    match config.settings.dicom.called {
        Called::Any => CalledRule::Any,
        Called::Own => CalledRule::Own,
    }
}

/// Who may call, by the settings and the peers.
fn policy(app: &App, security: Security) -> Policy {
    let dicom = &app.config.settings.dicom;
    let callers = match dicom.callers {
        Callers::Any => CallerRule::Any,
        Callers::Listed => CallerRule::Listed(app.config.peers.peers.iter().filter_map(Peer::caller).collect()),
    };
    let limits = Limits {
        associations: dicom.associations,
        associations_per_caller: dicom.associations_per_caller,
        associations_per_address: dicom.associations_per_address,
        requests_per_minute: dicom.requests_per_minute,
        connections: connections(dicom.connections, dicom.associations),
        connections_per_address: dicom.connections_per_address,
        max_pdu: dicom.max_pdu,
        instance_bytes: dicom.max_instance,
        artim: Duration::from_secs(dicom.artim_timeout),
        idle: Duration::from_secs(dicom.idle_timeout),
        stall: Duration::from_secs(dicom.stall_timeout),
        least_rate: dicom.min_rate,
        rate_window: Duration::from_secs(dicom.rate_window),
        ..Limits::default()
    };
    Policy {
        ae_title: app.config.peers.node.ae_title.clone(),
        called: called(&app.config),
        callers,
        accept_any_abstract_syntax: true,
        commitment: true,
        spool: app.spool.clone(),
        direct_io: app.config.settings.storage.direct_io,
        limits,
        implementation_class_uid: implementation_class_uid(),
        implementation_version: IMPLEMENTATION_VERSION.to_owned(),
        drain_timeout: Duration::from_secs(10),
        security,
    }
}

/// As many connections as the file descriptors of this process allow, with what files, database and
/// API need left over: a flood of connections must not keep us from storing.
fn connections(wanted: usize, associations: usize) -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let most = soft_file_limit(&text).map_or(wanted, |soft| affordable(soft, associations));
    if most < wanted {
        tracing::warn!(
            wanted,
            most,
            "[dicom] connections is more than the limit of open files allows; raise it (LimitNOFILE, ulimit -n)"
        );
    }
    wanted.min(most)
}

/// The soft limit of open files in the text of /proc/self/limits; none if it is unlimited.
fn soft_file_limit(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

/// A spool file and a folder for each association and a hundred for the rest; never fewer than the
/// associations need.
const fn affordable(files: usize, associations: usize) -> usize {
    let left = files.saturating_sub(2 * associations + 100);
    if left > associations { left } else { associations }
}

/// Runs the command.
///
/// # Errors
/// If the node cannot start or a role fails.
pub async fn run(files: &Files, arguments: Arguments) -> Result<ExitCode> {
    let mut config = files.load()?;
    if let Some(port) = arguments.dicom_port.or(config.peers.node.port) {
        config.settings.dicom.port = port;
    }
    if let Some(port) = arguments.tls_port {
        config.settings.tls.port = port;
    }
    if let Some(port) = arguments.api_port {
        config.settings.api.port = port;
    }
    telemetry::init(&config.settings.log);
    let split = Role::ALL.iter().any(|role| !arguments.role.contains(role));
    if split && config.settings.storage.database.is_empty() {
        tracing::info!("only some roles run here; one process at a time can use this data directory");
    }
    let mut running = Running::start(config, Clock::of_program(), &arguments.role).await?;
    let every = Duration::from_secs(running.app.config.settings.tls.reload);
    let clock = running.app.clock.clone();
    running.roles.spawn(named("credentials", running.credentials.clone().watch(clock, every, running.stop.clone())));
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: open associations and running jobs are finished first");
    };
    running.run_until(stopped).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_file_descriptors_for_the_rest() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max open files            1024                 524288               files\n";
        assert_eq!(soft_file_limit(limits), Some(1024));
        assert_eq!(soft_file_limit("Max open files   unlimited   unlimited   files\n"), None);
        assert_eq!(affordable(1024, 128), 668);
        assert_eq!(affordable(200, 128), 128);
    }
}
