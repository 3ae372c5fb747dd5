use super::*;
use crate::config::Config;
use crate::keyvalue::StoreUrl;
use crate::serve::Tokens;
use crate::testing::{TempDir, block_on};
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;

fn error<T>(result: Result<T>) -> String {
    format!("{:#}", result.err().unwrap())
}

#[test]
fn a_first_start_makes_private_files_and_a_second_keeps_them() {
    let parent = TempDir::new();
    let path = parent.path().join("deep/state");
    let first = StateDir::open_or_begin(&path, &Sources::default()).unwrap();
    assert!(first.is_new);
    let names = ["master.key", "admin.token", "tokens", "agent.token", "store.id"];
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    let before = names.map(read);
    #[cfg(unix)]
    {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(names.map(|name| mode(&path.join(name))), [0o600; 5]);
    }
    assert!(!StateDir::open(&path, &Sources::default()).unwrap().is_new);
    assert_eq!(names.map(read), before);

    let config = first.config("default").unwrap();
    assert_eq!(config.get("strongroom_keys").unwrap().unwrap(), before[0].trim());
    assert_eq!(config.get("strongroom_bucket").unwrap().unwrap(), "default");
    assert_eq!(config.get("something_else").unwrap(), None);
    assert_eq!(config.find(before[1].trim()).unwrap().unwrap().grant.name, "admin");
    assert_eq!(config.find("sr_another").unwrap(), None);
    assert!(!before[2].contains(before[1].trim()), "the token itself is not in the list");
}

#[test]
fn first_starts_at_once_agree_on_one_key() {
    let directory = TempDir::new();
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| StateDir::open_or_begin(directory.path(), &Sources::default()).unwrap().is_new as usize)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
}

#[test]
fn no_new_key_for_an_old_store() {
    let directory = TempDir::new();
    fs::write(store::path(directory.path()), "x").unwrap();
    let message = error(StateDir::open_or_begin(directory.path(), &Sources::default()));
    assert!(message.contains("master.key is missing"), "{message}");
    assert!(!directory.path().join("master.key").exists());
}

#[cfg(unix)]
#[test]
fn files_open_to_others_and_damaged_ones_are_refused() {
    let directory = TempDir::new();
    let state = StateDir::open_or_begin(directory.path(), &Sources::default()).unwrap();
    let key = state.master_key_path().unwrap();
    let content = fs::read_to_string(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let message = error(state.config("default"));
    assert!(message.contains("mode 0640"), "{message}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for damaged in ["", "k1", "k1:short", &content[..content.len() - 2], &content[3..]] {
        fs::write(&key, damaged).unwrap();
        let message = error(state.config("default"));
        assert!(message.contains("is damaged"), "{message}");
    }
    fs::write(&key, content).unwrap();
    assert!(error(state.config("two words")).contains("the project"));
    fs::set_permissions(state.tokens_path(), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(error(state.config("default")).contains("mode 0666"));
}

#[test]
fn a_change_of_tokens_shows_at_once() {
    let directory = TempDir::new();
    let state = StateDir::open_or_begin(directory.path(), &Sources::default()).unwrap();
    let config = state.config("default").unwrap();
    let before = config.get("strongroom_tokens").unwrap().unwrap();
    state
        .change_tokens(|entries| {
            let mut copy = entries.0[0].clone();
            copy.grant.name = "copy".into();
            copy.hash = [7; 32];
            entries.0.push(copy);
            Ok(())
        })
        .unwrap();
    let after = config.get("strongroom_tokens").unwrap().unwrap();
    let first = before.split(' ').next().unwrap();
    let (rest, _) = first.rsplit_once(':').unwrap();
    assert_eq!(after, format!("{before} {}:{}", rest.replace("admin:", "copy:"), "07".repeat(32)));
    let twice = state.change_tokens(|entries| {
        let mut twice = entries.0[0].clone();
        twice.grant.name = "twice".into();
        entries.0.push(twice);
        Ok(())
    });
    assert!(twice.is_err(), "one hash, one entry");
    state
        .change_tokens(|entries| {
            entries.0.clear();
            Ok(())
        })
        .unwrap();
    assert_eq!(config.get("strongroom_tokens").unwrap().unwrap(), "");
    fs::write(directory.path().join("tokens"), "nonsense").unwrap();
    assert!(config.get("strongroom_tokens").is_err(), "it fails closed");
}

#[test]
fn only_who_may_begins_a_vault() {
    let directory = TempDir::new();
    let path = directory.path().join("typing-error");
    assert!(error(StateDir::open(&path, &Sources::default())).contains("there is no vault"));
    assert!(!path.exists());
    StateDir::open_or_begin(&path, &Sources::default()).unwrap();
    StateDir::open(&path, &Sources::default()).unwrap();
}

#[test]
fn a_removed_list_of_tokens_does_not_bring_the_first_ones_back() {
    let directory = TempDir::new();
    let mut state = StateDir::open_or_begin(directory.path(), &Sources::default()).unwrap();
    let admin = fs::read_to_string(state.admin_token_path()).unwrap();
    let store = block_on(state.open_store(false)).unwrap();
    state.remember_store(&*store).unwrap();
    fs::remove_file(state.tokens_path()).unwrap();
    let state = StateDir::open(directory.path(), &Sources::default()).unwrap();
    assert!(error(state.config("default")).contains("tokens is missing"));
    assert!(!state.tokens_path().exists());
    assert_eq!(fs::read_to_string(state.admin_token_path()).unwrap(), admin);

    // Neither does one that can't be read.
    fs::create_dir(state.tokens_path()).unwrap();
    assert!(error(state.change_tokens(|_| Ok(()))).contains("is not a file"));
    assert!(StateDir::open(directory.path(), &Sources::default()).unwrap().config("default").is_err());
    assert_eq!(fs::read_to_string(state.admin_token_path()).unwrap(), admin);
}

#[cfg(unix)]
#[test]
fn what_others_could_have_written_is_refused() {
    use std::os::unix::fs::symlink;
    let refusal = |prepare: &dyn Fn(&Path)| {
        let parent = TempDir::new();
        let path = parent.path().join("state");
        StateDir::open_or_begin(&path, &Sources::default()).unwrap();
        prepare(&path);
        error(StateDir::open(&path, &Sources::default()).and_then(|state| {
            state.config("default")?;
            block_on(state.open_store(false)).map(drop)
        }))
    };
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let link = |path: &Path| {
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).unwrap();
        symlink(moved, path).unwrap();
    };
    assert!(refusal(&|path| chmod(path, 0o770)).contains("state is open to other users"));
    assert!(refusal(&|path| chmod(path.parent().unwrap(), 0o777)).contains("is open to other users"));
    assert!(refusal(&|path| chmod(&path.join("cache"), 0o777)).contains("cache is open to other users"));
    assert!(refusal(&|path| chmod(&path.join("tokens"), 0o622)).contains("tokens is open to other users"));
    assert!(refusal(&|path| chmod(&path.join("store.id"), 0o622)).contains("store.id is open to other users"));
    assert!(refusal(&|path| link(&path.join("cache"))).contains("cache cannot be opened as a directory"));
    for name in ["master.key", "tokens", "store.id"] {
        assert!(refusal(&|path| link(&path.join(name))).contains("is a symbolic link"), "{name}");
    }
    let database = |path: &Path| {
        fs::write(path.join("elsewhere"), "").unwrap();
        symlink(path.join("elsewhere"), store::path(path)).unwrap();
    };
    assert!(refusal(&database).contains("is a symbolic link"));
    assert!(refusal(&|path| link(&path.join("lock"))).contains("lock cannot be written"));
}

#[test]
fn nothing_is_written_where_somebody_can_foresee_it() {
    let directory = TempDir::new();
    let state = StateDir::open_or_begin(directory.path(), &Sources::default()).unwrap();
    let before = fs::read_dir(directory.path()).unwrap().count();
    // A link that waits for the temporary file of a change.
    let target = directory.path().join("target");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&target, directory.path().join("tokens.new")).unwrap();
    state.change_tokens(|_| Ok(())).unwrap();
    assert!(!target.exists());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), before + 1, "and nothing is left");
}

#[test]
fn named_files_of_key_and_tokens_are_used_and_never_made() {
    let directory = TempDir::new();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        trust::write(&path, content).unwrap();
        path
    };
    let mine = StateDir::open_or_begin(&directory.path().join("mine"), &Sources::default()).unwrap();
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let key_file = file("keys", &read(mine.master_key_path().unwrap()));
    let tokens_file = file("list", &read(mine.tokens_path()));
    let admin = read(mine.admin_token_path());
    // As an orchestrator mounts them.
    #[cfg(unix)]
    let key_file = {
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&key_file, &link).unwrap();
        link
    };
    let store = StoreUrl::Sqlite(None);
    let sources = Sources {
        store,
        keys: KeySource::File(key_file.clone()),
        passphrase: None,
        tokens_file: Some(tokens_file.clone()),
    };

    // A key that is named begins no vault beside a file of a store that is missing.
    let path = directory.path().join("state");
    assert!(error(StateDir::open_or_begin(&path, &sources)).contains("though there was a vault here"));
    fs::write(store::path(&path), "something").unwrap();
    let state = StateDir::open_or_begin(&path, &sources).unwrap();
    assert!(!state.is_new);
    for name in ["master.key", "tokens", "admin.token", "agent.token"] {
        assert!(!path.join(name).exists(), "{name}");
    }
    let config = state.config("default").unwrap();
    assert_eq!(config.get("strongroom_keys").unwrap().unwrap(), read(key_file).trim());
    assert!(config.find(admin.trim()).unwrap().is_some());
    state
        .change_tokens(|entries| {
            entries.0.clear();
            Ok(())
        })
        .unwrap();
    assert!(config.find(admin.trim()).unwrap().is_none(), "it is read again");
    #[cfg(unix)]
    {
        fs::set_permissions(&tokens_file, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(error(state.tokens()).contains("mode 0622"));
    }
    fs::remove_file(tokens_file).unwrap();
    assert!(error(state.config("default")).contains("list cannot be read"));
}

#[cfg(feature = "etcd")]
#[test]
fn a_directory_of_a_store_elsewhere_knows_it_by_its_id() {
    let directory = TempDir::new();
    let path = directory.path().join("state");
    let store = StoreUrl::parse("etcd://127.0.0.1:1").unwrap();
    let without_key = Sources { store: store.clone(), ..Sources::default() };
    assert!(error(StateDir::open(&path, &without_key)).contains("there is no vault"));
    let begun = StateDir::open_or_begin(&path, &without_key).unwrap();
    assert!(begun.is_new && matches!(begun.known, Known::Beginning(_)));
    assert!(matches!(StateDir::open(&path, &without_key).unwrap().known, Known::Beginning(_)));
    Known::Is("0".repeat(32)).write(&path).unwrap();
    assert!(matches!(StateDir::open(&path, &without_key).unwrap().known, Known::Is(_)));
    fs::rename(path.join("master.key"), directory.path().join("keys")).unwrap();
    assert!(error(StateDir::open(&path, &without_key)).contains("master.key is missing"));

    let sources = Sources { keys: KeySource::File(directory.path().join("keys")), ..without_key };
    assert!(matches!(StateDir::open(&path, &sources).unwrap().known, Known::Is(_)));
    let other = directory.path().join("other");
    let state = StateDir::open(&other, &sources).unwrap();
    assert!(!state.may_begin && matches!(state.known, Known::Brought(_)));
    assert!(!other.join("master.key").exists() && other.join("tokens").exists());
}
