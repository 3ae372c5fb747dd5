//! `strongroom serve`.

use super::log::{Dropped, Log, LogFormat, report_dropped};
use super::output::line;
use super::rollback::Unlooked;
use super::setup::{Begin, DEFAULT_CACHE_BYTES, Setup};
use super::{Common, clients, stop};
use anyhow::{Context, ensure};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use strongroom_host::Result;
use strongroom_host::fill::Fills;
#[cfg(unix)]
use strongroom_host::serve::UnixSocket;
use strongroom_host::serve::{Limit, Listener, Options, Server, Sites, Tls};
use strongroom_host::shell::quoted;
use tokio::net::{TcpListener, lookup_host};

#[derive(Args)]
pub struct Arguments {
    /// Address and port to listen on (port 0 takes a free one), or a socket in the file system that only you can use
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH", default_value = "127.0.0.1:3000")]
    listen: String,

    /// Certificate chain in PEM, for TLS; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Allow an address that other machines can reach without TLS. Everything, tokens and values included, then passes
    /// the network in clear text
    #[arg(long)]
    insecure_http: bool,

    /// Calls that one token may make in a second, 0 for any number; who exceeds it gets 429
    #[arg(long, value_name = "CALLS", default_value = "0")]
    rate_limit: u32,

    /// Releases of values, logins in a browser among them, that one token may have in a minute, 0 for any number
    #[arg(long, value_name = "CALLS", default_value = "60")]
    supply_limit: u32,

    /// Bytes that are kept in memory of what never changes, sealed as it is, where the store is across a network; 0 for
    /// none
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_CACHE_BYTES)]
    cache_bytes: usize,

    /// Log failures only, not every request
    #[arg(long)]
    quiet: bool,

    /// Form of the lines of the log, on standard error
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,

    #[command(flatten)]
    login: super::browsers::Login,

    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let log = Log::start(arguments.quiet, arguments.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(report_dropped(log.dropped()));
    runtime.block_on(serve(arguments, log.dropped()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(arguments: Arguments, dropped: Dropped) -> Result<()> {
    // The address first: a second server must not get as far as the store.
    let (listener, place) = listen(&arguments).await?;
    let (browsers, policies) = arguments.login.read()?;
    let mut setup = arguments.common.open_or(Begin::IfNew, true).await?;
    setup.prepare().await?;
    setup.look_back_at_all().await?;
    setup.cache(arguments.cache_bytes);
    setup.store.mark_in_use()?;
    greet(&setup, &place)?;
    let variable = |name| std::env::var(name).unwrap_or_default();
    let sites = match place {
        // Elsewhere a certificate, or the file system, tells who may think that this is the site that was meant.
        Place::Loopback(_) => {
            Sites::of_this_machine(&variable("STRONGROOM_ALLOWED_HOSTS"), &variable("STRONGROOM_ALLOWED_ORIGINS"))
        }
        Place::Network(_) | Place::Socket(_) => Sites::any(),
    };
    let options = Options {
        sites,
        calls: Some(Limit { calls: arguments.rate_limit, period: Duration::from_secs(1) }),
        supplies: Some(Limit { calls: arguments.supply_limit, period: Duration::from_secs(60) }),
        log_lines_dropped: Box::new(move || dropped.count() as u64),
        rollbacks: setup.rollbacks.clone(),
    };
    let (component, services, tokens) = (setup.component.clone(), setup.services.clone(), setup.config.clone());
    let server = Server::new(component, services, tokens, options)?.with_fills(Fills::new(browsers, policies));
    let _limit = outlive_file_size_limit()?;
    let (signal, mut refused) = (stop::signal()?, None);
    let stop = async {
        tokio::select! {
            () = signal => {}
            error = setup.keep_looking_back() => refused = Some(error),
        }
    };
    server.run(listener, stop).await;
    match refused {
        Some(error) => Err(error),
        // What came since the last look; a store that can't be read any more does not make an end worse.
        None => match setup.look_back_at_all().await {
            Err(Unlooked::Refused(error)) => Err(error),
            Err(Unlooked::Failed(_)) | Ok(()) => Ok(()),
        },
    }
}

/// Where the server can be reached.
enum Place {
    /// From this machine only, by this URL.
    Loopback(String),
    /// From other machines too.
    Network(String),
    /// Through a socket at this path.
    Socket(PathBuf),
}

async fn listen(arguments: &Arguments) -> Result<(Listener, Place)> {
    let address = &arguments.listen;
    if let Some(path) = address.strip_prefix("unix:") {
        ensure!(arguments.tls_cert.is_none(), "a socket in the file system needs no TLS");
        #[cfg(unix)]
        return Ok((Listener::Unix(UnixSocket::bind(path.as_ref())?), Place::Socket(path.into())));
        #[cfg(not(unix))]
        anyhow::bail!("--listen {address}: this system has no such sockets, {path}");
    }
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::load(certificate, key)?),
        _ => None,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address)
        .await
        .with_context(|| format!("--listen {address} is not of the form ADDRESS:PORT or unix:PATH"))?
        .collect();
    let is_local = addresses.iter().all(|address| address.ip().is_loopback());
    ensure!(
        is_local || tls.is_some() || arguments.insecure_http,
        "{address} can be reached from other machines, and all would pass the network in clear text: name --tls-cert \
         and --tls-key; --insecure-http allows it all the same"
    );
    let listener = TcpListener::bind(&*addresses).await.with_context(|| format!("{address} cannot be listened on"))?;
    let bound = listener.local_addr()?;
    Ok(match tls {
        Some(tls) => (Listener::Tls(listener, tls), Place::Network(format!("https://{bound}"))),
        None if is_local => (Listener::Tcp(listener), Place::Loopback(format!("http://{bound}"))),
        None => (Listener::Tcp(listener), Place::Network(format!("http://{bound}"))),
    })
}

/// Says where everything is. The lines with `curl` work as they stand.
fn greet(setup: &Setup, place: &Place) -> Result<()> {
    let (shown, url, how) = match place {
        Place::Loopback(url) | Place::Network(url) => (url.clone(), url.clone(), String::new()),
        Place::Socket(path) => {
            (format!("unix:{}", path.display()), "http://localhost".into(), format!("--unix-socket {} ", quoted(path)))
        }
    };
    let (admin, agent) = (setup.state.admin_token_path(), setup.state.agent_token_path());
    line(&format!("Strongroom listens on {shown}"))?;
    if setup.state.has_own_tokens() {
        line(&format!("  token       {} (for agents: list, get, codes)", agent.display()))?;
        line(&format!("  token       {} (for you: everything)", admin.display()))?;
    } else {
        line(&format!("  tokens      {}", setup.state.tokens_path().display()))?;
    }
    let (keys, wrapped) = (setup.state.master_key_place(), setup.state.are_keys_wrapped());
    line(&format!("  master key  {keys}{}", if wrapped { " (wrapped by a passphrase)" } else { "" }))?;
    if setup.state.is_store_remote() {
        line(&format!("  store       {}", setup.state.store_place()))?;
    }
    if setup.state.is_new {
        line("")?;
        line(
            "The master key was made just now. Without it nothing in the store can be read, by anybody, ever: keep a",
        )?;
        line("copy of it, in another place than the copies of the store.")?;
    }
    if setup.state.is_new && setup.state.has_own_tokens() {
        line("")?;
        line("Store a credential, and read its current one-time code:")?;
        // On standard input, because other users of the machine can see arguments.
        let header = |token: &Path| {
            format!("sed 's/^/Authorization: Bearer /' {} | curl -sS {how}-w '\\n' -H @-", quoted(token))
        };
        let credential = r#"{"name":"example-work-login","domain":"accounts.example.com","values":{"username":"ops@example.com","password":"fake-password-for-docs"},"totp_secret":"JBSWY3DPEHPK3PXP"}"#;
        line(&format!("{} -H 'Content-Type: application/json' -d '{credential}' {url}/credentials", header(&admin)))?;
        line(&format!("{} {url}/credentials/example-work-login/totp-code", header(&agent)))?;
        greet_clients(setup, &url)?;
    }
    Ok(())
}

/// How MCP clients reach the vault, with the token for agents.
fn greet_clients(setup: &Setup, url: &str) -> Result<()> {
    let token = setup.state.path().join("agent.token");
    line("")?;
    if token.exists() {
        line(&format!("MCP clients, over HTTP (TOKEN stands for the content of {}):", token.display()))?;
        line(&clients::over_http(url, &format!("$(cat {})", quoted(&token))))?;
        line("MCP clients that start the program themselves:")?;
    } else {
        line(
            "MCP clients that start the program themselves (over HTTP: `strongroom token new --name agent --scopes read,totp`):",
        )?;
    }
    line(&clients::over_stdio(setup.state.path(), "read,totp", "default"))?;
    if setup.state.is_store_remote() {
        line("  (in each of them with STRONGROOM_STORE in the environment, or --store @FILE)")?;
    }
    Ok(())
}

/// A limit of the size of files is a full disk: the write fails, and the process goes on. Holds as long as what is
/// returned.
#[cfg(target_os = "linux")]
fn outlive_file_size_limit() -> Result<impl Sized> {
    const SIGXFSZ: i32 = 25;
    Ok(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ))?)
}

#[cfg(not(target_os = "linux"))]
fn outlive_file_size_limit() -> Result<impl Sized> {
    Ok(())
}
