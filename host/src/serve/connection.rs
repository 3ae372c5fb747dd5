//! One connection, from its first byte to its end.

use super::connections::Guest;
use super::listener::Accepted;
use super::{FIRST_HEADER_TIMEOUT, IDLE_TIMEOUT, MAX_HEADER_BYTES, MAX_HEADERS, Server, WRITE_TIMEOUT, request};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;

/// When the server ends: how long a client has for taking its last answer.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a connection until its client closes it, breaks a limit, or has to make room.
pub async fn serve(server: Arc<Server>, accepted: Accepted, guest: Guest, mut stopping: watch::Receiver<bool>) {
    let opened = tokio::select! {
        opened = tokio::time::timeout(FIRST_HEADER_TIMEOUT, accepted.open()) => opened,
        () = guest.asked_to_leave() => return,
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    let Ok(Ok(stream)) = opened else { return };
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    tokio::pin!(stream);
    let service = service_fn(|request| {
        let (server, answering) = (server.clone(), guest.request());
        async move { Ok::<_, Infallible>(request::answer(&server, request, &answering).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        // A client that has said all it wants to say still gets its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // What is wrong with a connection is its client's business, and hyper has answered it if it could.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = guest.asked_to_leave() => {}
        () = says_nothing(&guest) => {}
        _ = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection.as_mut() => {}
                () = has_nothing_running(&guest) => {}
            }
        }
    }
}

/// Ready if there has been no request in the time that a new connection has for its first.
async fn says_nothing(guest: &Guest) {
    tokio::time::sleep(FIRST_HEADER_TIMEOUT).await;
    if guest.has_asked() {
        std::future::pending().await
    }
}

/// Ready when no request has been running for a while.
async fn has_nothing_running(guest: &Guest) {
    loop {
        tokio::time::sleep(LAST_ANSWER_TIMEOUT / 10).await;
        if guest.idle().is_some_and(|idle| idle > LAST_ANSWER_TIMEOUT) {
            return;
        }
    }
}
