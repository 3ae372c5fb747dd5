//! `strongroom serve`.

use super::output::line;
use super::setup::Setup;
use super::{Common, clients};
use anyhow::{Context, ensure};
use clap::Args;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use strongroom_host::Result;
use strongroom_host::serve::Server;
use strongroom_host::serve::fill::Fills;
use tokio::net::{TcpListener, lookup_host};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Args)]
pub struct Arguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: String,

    /// Allow an address that other machines can reach. Everything, tokens and values included, then passes the network
    /// in clear text
    #[arg(long)]
    insecure_http: bool,

    /// Log failures only, not every request
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    login: super::browsers::Login,

    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    log_to_stderr(arguments.quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(arguments: Arguments) -> Result<()> {
    let (browsers, policies) = arguments.login.read()?;
    // The address first: a second server must not get as far as the store.
    let listener = listen(&arguments.listen, arguments.insecure_http).await?;
    let setup = arguments.common.open()?;
    setup.prepare().await?;
    greet(&setup, listener.local_addr()?)?;
    let config = setup.config.clone();
    let server = Server::new(setup.component, setup.services, move |token| config.token_name(token))?
        .with_fills(Fills::new(browsers, policies));
    server.run(listener, stop_signal()?).await;
    Ok(())
}

async fn listen(address: &str, insecure_http: bool) -> Result<TcpListener> {
    let addresses: Vec<SocketAddr> = lookup_host(address)
        .await
        .with_context(|| format!("--listen {address} is not of the form ADDRESS:PORT"))?
        .collect();
    let local = addresses.iter().all(|address| address.ip().is_loopback());
    ensure!(
        local || insecure_http,
        "{address} can be reached from other machines, and all would pass the network in clear text; \
         --insecure-http allows it all the same"
    );
    TcpListener::bind(&*addresses).await.with_context(|| format!("{address} cannot be listened on"))
}

/// Says where everything is. The lines with `curl` work as they stand.
fn greet(setup: &Setup, address: SocketAddr) -> Result<()> {
    let url = format!("http://{address}");
    let token = setup.state.admin_token_path();
    line(&format!("Strongroom listens on {url}"))?;
    line(&format!("  token       {}", token.display()))?;
    line(&format!("  master key  {}", setup.state.master_key_path().display()))?;
    if setup.state.is_new {
        line("")?;
        line(
            "The master key was made just now. Without it nothing in the store can be read, by anybody, ever: keep a",
        )?;
        line("copy of it, in another place than the copies of the store.")?;
        line("")?;
        line("Store a credential, and read its current one-time code:")?;
        let authorization = format!("-H \"Authorization: Bearer $(cat {})\"", quoted(&token));
        let credential = r#"{"name":"example-work-login","domain":"accounts.example.com","values":{"username":"ops@example.com","password":"fake-password-for-docs"},"totp_secret":"JBSWY3DPEHPK3PXP"}"#;
        line(&format!(
            r"curl -sS -w '\n' {authorization} -H 'Content-Type: application/json' -d '{credential}' {url}/credentials"
        ))?;
        line(&format!(r"curl -sS -w '\n' {authorization} {url}/credentials/example-work-login/totp-code"))?;
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
    line(&clients::over_stdio(setup.state.path()))
}

/// A path as a word for the shell, inside or outside of double quotes with `$(...)`.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'@');
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Ready at the first SIGINT or SIGTERM. The second one ends the process at once.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || {
            #[cfg(unix)]
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
        };
        next().await;
        let _ = sender.send(());
        next().await;
        std::process::exit(1);
    });
    Ok(async move {
        let _ = receiver.await;
    })
}

/// Our own lines only: those of the libraries can hold headers.
fn log_to_stderr(quiet: bool) {
    let level = if quiet { LevelFilter::WARN } else { LevelFilter::INFO };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(lines).with(Targets::new().with_target("strongroom", level)).init();
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_quoted_when_they_must_be() {
        assert_eq!(quoted("/a/b-c.d".as_ref()), "/a/b-c.d");
        assert_eq!(quoted("/a b/$HOME".as_ref()), "'/a b/$HOME'");
        assert_eq!(quoted("/it's".as_ref()), r"'/it'\''s'");
    }
}
