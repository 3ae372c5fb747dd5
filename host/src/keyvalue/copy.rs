//! A project from one store to another, record by record and sealed as it is. It is there when its root is, which comes
//! last; until then a copy that broke off can be begun again and goes on where it was.

use super::{Expected, KeyValue, StoreError, Swap};
use anyhow::{Context, Result, anyhow, bail, ensure};
use strongroom::catalog::KeySpace;
use strongroom::seal::Project;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub records: u64,
    pub bytes: u64,
}

/// Copies, and compares all of it in the end. Nobody may write to the project meanwhile; if somebody did, it says so and the
/// project is not in the target. `progress` is told after each page of keys.
///
/// Fails, without changing anything, if the target has the project.
pub async fn copy_project(
    from: &dyn KeyValue,
    to: &dyn KeyValue,
    bucket: &str,
    project: &Project,
    mut progress: impl FnMut(Copied),
) -> Result<Copied> {
    let keys = KeySpace::new(project);
    let root = keys.root();
    let is_free = to.current(bucket, &root).await.map_err(of_target)?.is_none();
    ensure!(is_free, "the target has the project {} already", project.as_str());
    let found = from.current(bucket, &root).await.map_err(of_source)?;
    let found = found.with_context(|| format!("the source has no project {}", project.as_str()))?;
    let of_project = root.strip_suffix("root").context("the key of the root")?;

    let copied = for_each(from, bucket, of_project, &root, &mut progress, async |key, value| {
        let there = to.get(bucket, key).await.map_err(of_target)?;
        if there.as_deref() != Some(value) {
            to.set(bucket, key, value).await.map_err(of_target)?;
        }
        Ok(())
    })
    .await?;
    let is_unchanged =
        async || anyhow::Ok(from.current(bucket, &root).await.map_err(of_source)?.as_ref() == Some(&found));
    let changed = "the project was changed while it was copied: stop whoever writes to it, and copy again";
    ensure!(is_unchanged().await?, changed);
    match to.swap(bucket, &root, Expected::Absent, &found.value).await.map_err(of_target)? {
        Swap::Done => {}
        Swap::Refused => bail!("somebody else began the project in the target meanwhile"),
        Swap::Unknown(cause) => {
            let there = to.current(bucket, &root).await.map_err(of_target)?;
            ensure!(there.is_some_and(|there| there.value == found.value), "the target does not tell its end: {cause}");
        }
    }

    let compared = for_each(from, bucket, of_project, &root, &mut |_| (), async |key, value| {
        let there = to.current(bucket, key).await.map_err(of_target)?;
        ensure!(there.is_some_and(|there| there.value == value), "the target differs at {key}: do not use it");
        Ok(())
    })
    .await?;
    let there = to.current(bucket, &root).await.map_err(of_target)?;
    ensure!(there.is_some_and(|there| there.value == found.value), "the target was written to while it was compared");
    ensure!(is_unchanged().await? && compared == copied, changed);
    Ok(Copied { records: copied.records + 1, bytes: copied.bytes + found.value.len() as u64 })
}

/// All records of a project but its root.
async fn for_each(
    from: &dyn KeyValue,
    bucket: &str,
    of_project: &str,
    root: &str,
    progress: &mut impl FnMut(Copied),
    mut each: impl AsyncFnMut(&str, &[u8]) -> Result<()>,
) -> Result<Copied> {
    let (mut copied, mut cursor) = (Copied::default(), None);
    loop {
        let page = from.list_keys(bucket, cursor.as_deref()).await.map_err(of_source)?;
        for key in page.keys.iter().filter(|key| key.starts_with(of_project) && *key != root) {
            // What a sweep deletes meanwhile belongs to nobody.
            let Some(value) = from.get(bucket, key).await.map_err(of_source)? else { continue };
            each(key, &value).await?;
            copied.records += 1;
            copied.bytes += value.len() as u64;
        }
        progress(copied);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(copied);
        }
    }
}

fn of_source(error: StoreError) -> anyhow::Error {
    anyhow!("the source: {error}")
}

fn of_target(error: StoreError) -> anyhow::Error {
    anyhow!("the target: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::SqliteStore;
    use crate::testing::TempDir;

    fn project(name: &str) -> Project {
        Project::parse(name).unwrap()
    }

    /// A store with something of two projects and of somebody else.
    async fn source(directory: &TempDir) -> SqliteStore {
        let store = SqliteStore::open(directory.path()).unwrap();
        for name in ["one", "two"] {
            let keys = KeySpace::new(&project(name));
            let of_project = keys.root().replace("root", "");
            for number in 0..2500 {
                store
                    .set("b", &format!("{of_project}n.{number:05}"), format!("{name} {number}").as_bytes())
                    .await
                    .unwrap();
            }
            store.increment("b", &keys.seed(), 1).await.unwrap();
            store.swap("b", &keys.root(), Expected::Absent, name.as_bytes()).await.unwrap();
        }
        store.set("b", "sr1.probe", b"of somebody else").await.unwrap();
        store
    }

    async fn all(store: &SqliteStore) -> Vec<(String, Vec<u8>)> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list_keys("b", cursor.as_deref()).await.unwrap();
            for key in page.keys {
                let value = store.get("b", &key).await.unwrap().unwrap();
                all.push((key, value));
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return all;
            }
        }
    }

    #[tokio::test]
    async fn one_project_is_copied_and_only_once() {
        let (here, there) = (TempDir::new(), TempDir::new());
        let from = source(&here).await;
        let to = SqliteStore::open(there.path()).unwrap();
        let mut told = Vec::new();
        let copied = copy_project(&from, &to, "b", &project("one"), |copied| told.push(copied.records)).await.unwrap();
        assert_eq!(copied.records, 2502);
        assert!(told.len() > 2 && told.is_sorted() && told.last() == Some(&2501), "{told:?}");
        let prefix = KeySpace::new(&project("one")).root().replace("root", "");
        let expected: Vec<_> = all(&from).await.into_iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        assert_eq!(all(&to).await, expected);

        let refusal = copy_project(&from, &to, "b", &project("one"), |_| ()).await.unwrap_err().to_string();
        assert!(refusal.contains("has the project one already"), "{refusal}");
        copy_project(&from, &to, "b", &project("two"), |_| ()).await.unwrap();
        let refusal = copy_project(&from, &to, "b", &project("three"), |_| ()).await.unwrap_err().to_string();
        assert!(refusal.contains("the source has no project three"), "{refusal}");
    }

    #[tokio::test]
    async fn one_that_broke_off_goes_on_and_a_source_that_changes_is_noticed() {
        let (here, there) = (TempDir::new(), TempDir::new());
        let from = source(&here).await;
        let to = SqliteStore::open(there.path()).unwrap();
        let keys = KeySpace::new(&project("one"));
        let prefix = keys.root().replace("root", "");
        to.set("b", &format!("{prefix}n.00007"), b"of an older state").await.unwrap();
        to.increment("b", &keys.seed(), 1).await.unwrap();
        let mut is_changed = false;
        let change = |_| {
            if !std::mem::replace(&mut is_changed, true) {
                let other = SqliteStore::open(here.path()).unwrap();
                crate::testing::block_on_thread(async move {
                    other
                        .swap("b", &KeySpace::new(&project("one")).root(), Expected::Anything, b"later")
                        .await
                        .unwrap();
                });
            }
        };
        let refusal = copy_project(&from, &to, "b", &project("one"), change).await.unwrap_err().to_string();
        assert!(refusal.contains("was changed while it was copied"), "{refusal}");
        assert_eq!(to.get("b", &keys.root()).await, Ok(None), "it is not there");
        copy_project(&from, &to, "b", &project("one"), |_| ()).await.unwrap();
        assert_eq!(to.get("b", &keys.root()).await, Ok(Some(b"later".to_vec())));
        assert_eq!(to.get("b", &format!("{prefix}n.00007")).await, Ok(Some(b"one 7".to_vec())));
    }
}
