use super::*;
use strongroom::error::Code;

const RULES: Rules = Rules { versions: 2, is_trusted: true };

fn cred(id: &str, name: &str, version: u64) -> Rc<Cred> {
    Rc::new(Cred {
        id: id.into(),
        name: name.into(),
        domain: "a.example".into(),
        additional: Vec::new(),
        version,
        created_ms: 5,
        updated_ms: 5,
        values: Values::from([("user".into(), "u".into())]),
        body: 1,
        totp: None,
        claims: 1,
        key: None,
    })
}

fn snapshot(creds: &[Rc<Cred>]) -> Snapshot {
    Snapshot { creds: creds.to_vec(), ..Snapshot::default() }
}

fn kept(cred: Rc<Cred>) -> Kept {
    Kept { cred, ended_ms: 5, owns_values: false }
}

fn bounds(newest: &str) -> Bounds<'_> {
    Bounds { newest, latest_ms: 5 }
}

fn create(name: &str) -> Action {
    let values = Values::from([("user".into(), "u".into())]);
    let draft = Draft { name: name.into(), domain: "a.example".into(), additional: Vec::new(), values, totp: None };
    Action::Create { draft, key: None }
}

fn rename(name: &str, expected: Option<u64>) -> Action {
    let change = Change { name: Some(name.into()), ..Change::default() };
    Action::Update { target: Target::Id("1".into()), change, expected }
}

#[test]
fn creation_appends_once_and_above_all_ids() {
    let before = snapshot(&[cred("1", "one", 4)]);
    let effect = create("two").effect(&before, RULES);
    let good = snapshot(&[cred("1", "one", 4), cred("3", "two", 1)]);
    assert!(effect.explains(&before, &good, bounds("2"), RULES));
    for (bad, newest) in [
        (snapshot(&[cred("1", "one", 4)]), "2"),
        (snapshot(&[cred("1", "one", 4), cred("3", "two", 2)]), "2"),
        (snapshot(&[cred("1", "one", 5), cred("3", "two", 1)]), "2"),
        (snapshot(&[cred("3", "two", 1)]), "2"),
        (snapshot(&[cred("1", "one", 4), cred("3", "two", 1), cred("4", "two", 1)]), "2"),
        (good.clone(), "3"),
    ] {
        assert!(!effect.explains(&before, &bad, bounds(newest), RULES));
    }
    assert_eq!(create("one").effect(&before, RULES), Effect::Refused(Code::NameTaken));
}

#[test]
fn updates_move_the_version_by_one_and_keep_the_old_one_or_change_nothing() {
    let before = snapshot(&[cred("1", "one", 4), cred("2", "two", 1)]);
    let effect = rename("three", Some(4)).effect(&before, RULES);
    let mut good = snapshot(&[cred("1", "three", 5), cred("2", "two", 1)]);
    assert!(!effect.explains(&before, &good, bounds("2"), RULES), "nothing is kept");
    good.versions.push(kept(cred("1", "one", 4)));
    assert!(effect.explains(&before, &good, bounds("2"), RULES));
    assert!(!effect.explains(&before, &snapshot(&[cred("1", "three", 6), cred("2", "two", 1)]), bounds("2"), RULES));
    assert!(!effect.explains(&before, &before, bounds("2"), RULES));
    assert_eq!(rename("one", None).effect(&before, RULES), Effect::Nothing);
    assert_eq!(rename("two", None).effect(&before, RULES), Effect::Refused(Code::NameTaken));
    assert_eq!(rename("three", Some(5)).effect(&before, RULES), Effect::Refused(Code::PreconditionFailed));
}

#[test]
fn deletion_moves_exactly_one_into_the_trash_and_a_restore_takes_it_out() {
    let before = snapshot(&[cred("1", "one", 4), cred("2", "two", 1)]);
    let effect = Action::Delete { target: Target::Name("one".into()), expected: None }.effect(&before, RULES);
    let mut deleted = snapshot(&[cred("2", "two", 1)]);
    assert!(!effect.explains(&before, &deleted, bounds("2"), RULES), "nothing is kept");
    deleted.trash.push(kept(cred("1", "one", 4)));
    assert!(effect.explains(&before, &deleted, bounds("2"), RULES));
    assert!(!effect.explains(&before, &snapshot(&[]), bounds("2"), RULES));
    let missing = Action::Delete { target: Target::Name("three".into()), expected: None };
    assert_eq!(missing.effect(&before, RULES), Effect::Refused(Code::NotFound));

    let restore = Action::Restore { target: Target::Id("1".into()), version: None, expected: None };
    let effect = restore.effect(&deleted, RULES);
    let mut restored = snapshot(&[cred("1", "one", 5), cred("2", "two", 1)]);
    assert!(effect.explains(&deleted, &restored, bounds("2"), RULES));
    restored.trash = deleted.trash.clone();
    assert!(!effect.explains(&deleted, &restored, bounds("2"), RULES), "it could be restored twice");
    let purge = Action::Purge { target: Target::Id("1".into()), expected: None }.effect(&deleted, RULES);
    assert!(purge.explains(&deleted, &snapshot(&[cred("2", "two", 1)]), bounds("2"), RULES));
    assert!(!purge.explains(&deleted, &deleted, bounds("2"), RULES));
}

#[test]
fn values_go_where_they_could_go_unless_the_caller_may_have_them() {
    let before = snapshot(&[cred("1", "one", 1)]);
    let send = |host: &str| Action::Update {
        target: Target::Id("1".into()),
        change: Change { domain: Some(host.into()), ..Change::default() },
        expected: None,
    };
    let writer = Rules { is_trusted: false, ..RULES };
    assert_eq!(send("b.example").effect(&before, writer), Effect::Refused(Code::Forbidden));
    assert_eq!(send("nota.example").effect(&before, writer), Effect::Refused(Code::Forbidden));
    assert!(matches!(send("sub.a.example").effect(&before, writer), Effect::Replaces(..)));
    assert!(matches!(send("b.example").effect(&before, RULES), Effect::Replaces(..)));
}
