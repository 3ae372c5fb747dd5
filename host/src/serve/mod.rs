//! The HTTP server: connections in, one fresh instance of the component per request.
//!
//! Nobody can hold what everybody needs. A connection that makes no progress ends; when all places are taken the longest
//! idle one of whoever has most goes ([`connections`]). A body is read only for a token that the server knows and that has
//! not too many requests running already, within a budget for all and a half of it for each ([`body`]). Of the instances
//! each kind of call and each token has its share ([`shares`]).

mod body;
mod connection;
mod connections;
mod fill;
mod limits;
mod listener;
mod metrics;
mod per_token;
mod refusal;
mod request;
mod route;
mod shares;
mod sites;
mod tls;

pub use limits::Limit;
pub use listener::Listener;
#[cfg(unix)]
pub use listener::UnixSocket;
pub use sites::Sites;
pub use tls::Tls;

use crate::Result;
use crate::call::CALL_TIME_LIMIT;
use crate::component::Component;
use crate::fill::Fills;
use crate::instance::Services;
use crate::token::Entry;
use body::Budget;
use connections::Connections;
use limits::Limiter;
use metrics::Metrics;
use per_token::PerToken;
use shares::Shares;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;

/// Largest request body that is read, in bytes. The component itself refuses more than 1 MiB, in its own words.
pub const MAX_BODY_BYTES: usize = 2 << 20;

/// Largest request line and headers together, in bytes; more is answered with 431.
const MAX_HEADER_BYTES: usize = 32 << 10;

/// Most header lines; more is answered with 431.
const MAX_HEADERS: usize = 100;

/// How long a new connection may take to send its first request line and headers.
const FIRST_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take to send its next request line and headers, idle time included.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take none of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Open connections; when there are more, an idle one goes.
const MAX_CONNECTIONS: u32 = 512;

/// Requests of one token that are received or answered at once. As each needs a connection that can't be made to go
/// meanwhile, one token holds at most a quarter of these.
const MAX_REQUESTS_OF_TOKEN: usize = MAX_CONNECTIONS as usize / 4;

/// How long the end waits for running requests. Longer than any of them may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2 * CALL_TIME_LIMIT.as_secs());

/// The bearer tokens of a server.
pub trait Tokens: Send + Sync {
    /// The entry of a token, expired or not. An error if the entries can't be told at the moment.
    fn find(&self, token: &str) -> Result<Option<Entry>>;
}

/// What can be chosen about a server.
pub struct Options {
    /// Under which names it may be called.
    pub sites: Sites,
    /// How often one token may call.
    pub calls: Option<Limit>,
    /// How often one token may have values released, or used in a browser.
    pub supplies: Option<Limit>,
    /// Tells how many lines of the log were dropped, for `/metrics`.
    pub log_lines_dropped: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Counted by whoever looks for roll-backs of the store, for `/metrics`.
    pub rollbacks: Arc<AtomicU64>,
}

impl Default for Options {
    /// Any name, no limits.
    fn default() -> Self {
        let (log_lines_dropped, rollbacks) = (Box::new(|| 0), Arc::default());
        Self { sites: Sites::any(), calls: None, supplies: None, log_lines_dropped, rollbacks }
    }
}

/// What a server answers with.
pub struct Server {
    component: Component,
    services: Services,
    tokens: Arc<dyn Tokens>,
    requests: PerToken,
    bodies: Budget,
    shares: Shares,
    sites: Sites,
    calls: Limiter,
    supplies: Limiter,
    metrics: Metrics,
    fills: Option<Fills>,
}

impl Server {
    /// A server for a component of the world `edge`. The component sees the entry of a request's token, and no other,
    /// in the setting `strongroom_tokens`.
    pub fn new(component: Component, services: Services, tokens: Arc<dyn Tokens>, options: Options) -> Result<Self> {
        anyhow::ensure!(component.has_http(), "the component has no HTTP endpoints: it must be of the world edge");
        Ok(Self {
            component,
            services,
            tokens,
            requests: PerToken::new(MAX_REQUESTS_OF_TOKEN),
            bodies: Budget::new(),
            shares: Shares::new(),
            sites: options.sites,
            calls: Limiter::new(options.calls),
            supplies: Limiter::new(options.supplies),
            metrics: Metrics::new(options.log_lines_dropped, options.rollbacks),
            fills: None,
        })
    }

    /// Lets it log in in browsers, too.
    #[must_use]
    pub fn with_fills(self, fills: Fills) -> Self {
        Self { fills: Some(fills), ..self }
    }

    /// Answers until `stop` is ready, and then finishes what is running: no connection is accepted any more, requests
    /// that have begun are answered, idle connections are closed. A login in a browser takes a minute at most.
    pub async fn run(self, listener: impl Into<Listener>, stop: impl Future<Output = ()>) {
        let (server, listener) = (Arc::new(self), listener.into());
        let connections = Connections::new(MAX_CONNECTIONS);
        let (stopping, _) = watch::channel(false);
        tokio::pin!(stop);
        for number in 0.. {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: running requests will give some back.
                    tracing::warn!(target: "strongroom", "a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let guest = tokio::select! {
                () = &mut stop => break,
                guest = connections.admit(number) => guest,
            };
            tokio::spawn(connection::serve(server.clone(), stream, guest, stopping.subscribe()));
        }
        drop(listener);
        stopping.send_replace(true);
        // None begins any more, and those that run clear their pages, write their end, and are answered.
        if let Some(fills) = &server.fills {
            fills.finish().await;
        }
        let all = async {
            connections.all_gone().await;
            // A client that has gone leaves its request running.
            server.shares.all_free().await;
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
            tracing::warn!(target: "strongroom", "some requests did not end in time");
        }
    }
}
