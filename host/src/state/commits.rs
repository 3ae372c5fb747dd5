//! The newest commit that was seen of each project, beside the key: a store that was put back to an earlier state is known
//! by it.

use super::{StateDir, trust};
use crate::Result;
use anyhow::Context;
use std::collections::BTreeMap;

/// The file in the state directory. Each line: project, number of the commit, its id in hexadecimal.
const FILE: &str = "commits";

/// A commit: its number and its id, as `maintenance.progress` has them.
pub type Commit = (u64, u64);

impl StateDir {
    /// The newest commit that was seen of a project. An error if what was remembered can't be told.
    pub fn seen(&self, project: &str) -> Result<Option<Commit>> {
        Ok(self.read_commits()?.get(project).copied())
    }

    /// Remembers a commit of a project instead of another one; `None` is none. If meanwhile somebody else remembered one,
    /// that stays. A file that is damaged begins anew.
    pub fn remember(&self, project: &str, instead_of: Option<Commit>, commit: Option<Commit>) -> Result<()> {
        let _lock = trust::lock(&self.path.join("lock"))?;
        let mut commits = self.read_commits().unwrap_or_default();
        if commits.get(project).copied() != instead_of {
            return Ok(());
        }
        match commit {
            Some(commit) => drop(commits.insert(project.to_owned(), commit)),
            None => drop(commits.remove(project)),
        }
        let lines = commits.iter().map(|(project, (number, id))| format!("{project} {number} {id:016x}\n"));
        trust::write(&self.path.join(FILE), &lines.collect::<String>())
    }

    fn read_commits(&self) -> Result<BTreeMap<String, Commit>> {
        let path = self.path.join(FILE);
        let text = trust::read(&path, trust::NOT_WRITABLE)?.unwrap_or_default();
        let read: Option<_> = text.lines().map(of_line).collect();
        read.with_context(|| format!("{} is damaged", path.display()))
    }
}

fn of_line(line: &str) -> Option<(String, Commit)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [project, number, id] = words.as_slice() else { return None };
    Some(((*project).to_owned(), (number.parse().ok()?, u64::from_str_radix(id, 16).ok()?)))
}
