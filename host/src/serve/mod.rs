//! The HTTP server: connections in, one fresh instance of the component per request.

pub mod fill;
mod request;

use crate::Result;
use crate::call::CALL_TIME_LIMIT;
use crate::component::Component;
use crate::engine::MAX_INSTANCES;
use crate::instance::Services;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Largest request body that is read, in bytes. The component itself refuses more than 1 MiB, in its own words.
pub const MAX_BODY_BYTES: usize = 2 << 20;

/// Largest request line and headers together, in bytes; more is answered with 431.
const MAX_HEADER_BYTES: usize = 32 << 10;

/// Most header lines; more is answered with 431.
const MAX_HEADERS: usize = 100;

/// How long a connection may take to send its next request line and headers, idle time included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Open connections; more wait in the operating system's queue.
const MAX_CONNECTIONS: u32 = 512;

/// How long the end waits for running requests. Longer than any of them may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2 * CALL_TIME_LIMIT.as_secs());

type TokenName = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What a server answers with.
pub struct Server {
    component: Component,
    services: Services,
    /// Finds the name of a token for the log.
    token_name: Box<TokenName>,
    /// One permit for each instance that may run.
    instances: Arc<Semaphore>,
    fills: Option<fill::Fills>,
}

impl Server {
    /// A server for a component of the world `edge`. `token_name` tells the name of a bearer token, for the log.
    pub fn new(
        component: Component,
        services: Services,
        token_name: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self> {
        anyhow::ensure!(component.has_http(), "the component has no HTTP endpoints: it must be of the world edge");
        let instances = Arc::new(Semaphore::new(MAX_INSTANCES as usize));
        Ok(Self { component, services, token_name: Box::new(token_name), instances, fills: None })
    }

    /// Lets it log in in browsers, too.
    #[must_use]
    pub fn with_fills(self, fills: fill::Fills) -> Self {
        Self { fills: Some(fills), ..self }
    }

    /// Answers until `stop` is ready, and then finishes what is running: no connection is accepted any more, requests
    /// that have begun are answered, idle connections are closed.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
        let (stopping, _) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &connections) => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: running requests will give some back.
                    tracing::warn!(target: "strongroom", "a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            tokio::spawn(connection(server.clone(), stream, permit, stopping.subscribe()));
        }
        drop(listener);
        stopping.send_replace(true);
        let all = async {
            let _ = connections.acquire_many(MAX_CONNECTIONS).await;
            // A client that has gone leaves its request running.
            let _ = server.instances.acquire_many(MAX_INSTANCES).await;
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
            tracing::warn!(target: "strongroom", "some requests did not end in time");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = connections.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are single small segments; waiting to fill them up would cost 40 ms each.
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(
    server: Arc<Server>,
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, std::convert::Infallible>(request::answer(&server, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // What is wrong with a connection is its client's business, and hyper has answered it if it could.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
