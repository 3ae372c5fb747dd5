//! When the program is asked to end.

use strongroom_host::Result;

/// Ready at the first SIGINT or SIGTERM. The second one ends the process at once.
pub fn signal() -> Result<impl Future<Output = ()>> {
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
