//! Whether the store is older than it was.

use super::setup::{Setup, answer};
use anyhow::bail;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strongroom::settings;
use strongroom_host::bindings::vault::exports::strongroom::vault::maintenance::{Commit, Standing};
use strongroom_host::{Replaced, Result, Services, state};

/// How often a server looks, and a session.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// What to do about a store that is, by `$STRONGROOM_ROLLBACK`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnRollback {
    /// Say so once, and go on with the store as it is.
    Warn,
    /// Do nothing, and remember what was.
    Refuse,
}

impl OnRollback {
    pub fn of_environment() -> Result<Self> {
        match std::env::var("STRONGROOM_ROLLBACK").unwrap_or_default().as_str() {
            "" | "warn" => Ok(Self::Warn),
            "refuse" => Ok(Self::Refuse),
            _ => bail!("STRONGROOM_ROLLBACK must be warn or refuse"),
        }
    }
}

/// Why a look ended without an answer.
pub enum Unlooked {
    /// The store is older than it was, or it can't be told, and that shall not be.
    Refused(anyhow::Error),
    /// The vault can't be read.
    Failed(anyhow::Error),
}

impl From<Unlooked> for anyhow::Error {
    fn from(unlooked: Unlooked) -> Self {
        let (Unlooked::Refused(error) | Unlooked::Failed(error)) = unlooked;
        error
    }
}

impl Setup {
    /// Compares the store with the newest commit that was seen of the project, says if it is older, and remembers the one
    /// that is there now.
    pub async fn look_back(&self) -> Result<(), Unlooked> {
        self.look_back_at(self.config.project()).await
    }

    async fn look_back_at(&self, project: &str) -> Result<(), Unlooked> {
        let seen = match self.state.seen(project) {
            Ok(seen) => seen,
            Err(error) => {
                let what = format!("{error:#}: it cannot be told whether the store is older than it was");
                self.object(&what, "remove that file")?;
                None
            }
        };
        let (newest, standing) = self.progress(project, seen).await.map_err(Unlooked::Failed)?;
        let was = seen.map_or(0, |(number, _)| number);
        if standing != Standing::Continued {
            self.rollbacks.fetch_add(1, Ordering::Relaxed);
            let what = match standing {
                Standing::Other => {
                    format!("has another commit of the number {was} than it had, so it was put back and written to")
                }
                _ => format!("has {} commits, and had {was}", newest.map_or(0, |(number, _)| number)),
            };
            let what = format!("ROLL-BACK: the store is older than it was: project {project} {what}");
            self.object(&what, "run the program once with STRONGROOM_ROLLBACK=warn")?;
        }
        if newest != seen
            && let Err(error) = self.state.remember(project, seen, newest)
        {
            say(&format!("the newest commit cannot be remembered: {error:#}"));
        }
        Ok(())
    }

    /// The same for all projects that there are tokens for.
    pub async fn look_back_at_all(&self) -> Result<(), Unlooked> {
        let tokens = self.state.tokens().map_err(Unlooked::Failed)?;
        let projects = tokens.0.iter().map(|entry| entry.project.as_str()).chain([self.config.project()]);
        for project in projects.collect::<BTreeSet<_>>() {
            self.look_back_at(project).await?;
        }
        Ok(())
    }

    /// Looks all the time; ready when the store is older than it was and that shall not be.
    pub async fn keep_looking_back(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.look_back_at_all().await {
                Err(Unlooked::Refused(error)) => return error,
                // Whoever calls is told, and the next look may succeed.
                Err(Unlooked::Failed(_)) | Ok(()) => {}
            }
        }
    }

    /// Forgets what was seen of the project, for whoever begins it anew.
    pub fn forget_commits(&self) -> Result<()> {
        let project = self.config.project();
        let seen = self.state.seen(project).unwrap_or_default();
        self.state.remember(project, seen, None)
    }

    async fn progress(&self, project: &str, seen: Option<state::Commit>) -> Result<(Option<state::Commit>, Standing)> {
        let seen = seen.map(|(number, id)| Commit { number, id });
        // For nobody in particular, whoever the calls of a session are for.
        let config = Replaced { values: [(settings::PROJECT, project.to_owned())], others: self.config.clone() };
        let services = Services { config: Arc::new(config), ..self.services.clone() };
        let mut instance = self.component.vault(&services).await?;
        let progress = instance.exports.strongroom_vault_maintenance().call_progress(instance.store.call(), seen).await;
        let (newest, standing) = answer(progress).map_err(|error| self.explain(error))?;
        Ok((newest.map(|commit| (commit.number, commit.id)), standing))
    }

    /// Says what is wrong, or refuses to go on.
    fn object(&self, what: &str, remedy: &str) -> Result<(), Unlooked> {
        match self.on_rollback {
            OnRollback::Warn => say(what),
            OnRollback::Refuse => {
                let error = anyhow::anyhow!(
                    "{what}. If that was meant, {remedy}; else end what uses it and keep it for inquiry"
                );
                return Err(Unlooked::Refused(error));
            }
        }
        Ok(())
    }
}

/// In the log, where there is one.
fn say(what: &str) {
    if tracing::enabled!(target: "strongroom", tracing::Level::WARN) {
        tracing::warn!(target: "strongroom", "{what}");
    } else {
        eprintln!("strongroom: {what}");
    }
}
