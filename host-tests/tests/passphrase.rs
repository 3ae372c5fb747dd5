//! A master key that is wrapped by a passphrase, or that a command gives, is nowhere on disk, in arguments or in variables;
//! and everything works with it.

use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use strongroom_host_tests::{Output, Program, TempDir, mcp_session};

const RIGHT: &str = "correct horse battery staple";
const OTHER: &str = "Tr0ub4dor & three more words";
/// What a wrong passphrase is answered with.
const WRONG: &str = "the passphrase is not the one that the master keys are wrapped by";

/// Lines in files, each of them given to the program by a descriptor: the first by 3, the second by 4.
struct Descriptors {
    directory: TempDir,
    count: usize,
}

impl Descriptors {
    fn of(lines: &[&str]) -> Self {
        let directory = TempDir::new();
        for (number, line) in lines.iter().enumerate() {
            fs::write(directory.path().join(number.to_string()), format!("{line}\n")).unwrap();
        }
        Self { directory, count: lines.len() }
    }

    /// The command under a shell that opens them.
    fn command(&self, command: &Command) -> Command {
        let opened = (0..self.count).map(|number| format!(" {}<\"$0/{number}\"", number + 3)).collect::<String>();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec \"$@\"{opened}")).arg(self.directory.path());
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }
}

fn ended(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the program with a passphrase.
fn run_with(program: &Program, passphrase: &str, arguments: &[&str], input: &str) -> Output {
    let all = [arguments, &["--passphrase-fd", "3"]].concat();
    ended(Descriptors::of(&[passphrase]).command(&program.command(&all)), input)
}

#[track_caller]
fn succeeds(output: Output) -> Output {
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

fn create(name: &str) -> String {
    json!({ "action": "create", "name": name, "domain": "example.com", "values": { "password": "p" } }).to_string()
}

/// Runs the program on a terminal of its own, where each prompt is answered; what was shown there, and how it ended.
#[cfg(target_os = "linux")]
fn on_terminal(command: &Command, answers: &[(&str, &str)]) -> (Option<i32>, String) {
    use std::io::Read;
    let quoted = |word: &std::ffi::OsStr| format!("'{}' ", word.to_str().unwrap());
    let line: String = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script`, of util-linux");
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut from) = (String::new(), 0);
    for (prompt, answer) in answers {
        while !shown[from..].contains(prompt) {
            let mut bytes = [0; 256];
            let read = output.read(&mut bytes).unwrap();
            assert!(read > 0, "it ended without {prompt:?}: {shown}");
            shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        from = shown.len();
        // The prompt stands there before the echo is off; nobody types that fast.
        std::thread::sleep(std::time::Duration::from_secs(1));
        writeln!(input, "{answer}").unwrap();
    }
    output.read_to_string(&mut shown).unwrap();
    (child.wait().unwrap().code(), shown)
}

/// `key passphrase`, from one to another.
fn change(program: &Program, old: &str, new: &str) -> Output {
    let arguments = ["key", "passphrase", "--passphrase-fd", "3", "--new-passphrase-fd", "4"];
    ended(Descriptors::of(&[old, new]).command(&program.command(&arguments)), "")
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A key in each form that it could be written in.
fn forms(key: &[u8; 32]) -> Vec<Vec<u8>> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let alphabets = [
        (6usize, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        (6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
        (5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        (5, "abcdefghijklmnopqrstuvwxyz234567"),
    ];
    let bit = |at: usize| usize::from(key.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0));
    let encoded = alphabets.map(|(bits, alphabet)| {
        // Without the last digit, which can have bits of what follows.
        let digit = |at: usize| (0..bits).fold(0, |digit, more| digit * 2 + bit(at * bits + more));
        (0..256 / bits).map(|at| alphabet.as_bytes()[digit(at)]).collect()
    });
    encoded.into_iter().chain([key.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()]).collect()
}

/// Which files below some directories have a key in any form.
fn found(directories: &[&Path], key: &[u8; 32]) -> Vec<String> {
    let forms = forms(key);
    let has = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
    };
    let paths = directories.iter().flat_map(|directory| files(directory));
    paths.filter(has).map(|path| path.display().to_string()).collect()
}

/// The first key of a plain file.
fn key_in(file: &Path) -> [u8; 32] {
    let text = fs::read_to_string(file).unwrap();
    let keyring = strongroom_host::state::Keys::parse(&text).unwrap();
    let setting = keyring.setting();
    let encoded = setting.split(' ').next().unwrap().split_once(':').unwrap().1;
    let digit = |byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = encoded.bytes().flat_map(|byte| (0..6).rev().map(move |at| (digit(byte) >> at) & 1)).collect();
    std::array::from_fn(|at| bits[at * 8..][..8].iter().fold(0, |byte, bit| byte * 2 + bit))
}

#[test]
fn one_that_is_wrapped_from_the_beginning_is_nowhere_on_disk() {
    let (directory, temporary) = (TempDir::new(), TempDir::new());
    let program = Program::on(directory.path()).with("TMPDIR", temporary.path().to_str().unwrap());
    succeeds(run_with(&program, RIGHT, &["init"], ""));
    let file = directory.path().join("master.key");
    let wrapped = fs::read_to_string(&file).unwrap();
    assert!(wrapped.starts_with("strongroom-wrapped-keys-1 ") && wrapped.lines().count() == 1, "{wrapped}");
    // Every kind of command, before anything is searched.
    succeeds(run_with(&program, RIGHT, &["call", "-", "--quiet"], &create("by-call")));
    let descriptors = Descriptors::of(&[RIGHT]);
    let server = program.serve_as(&["--passphrase-fd", "3"], |command| descriptors.command(&command));
    assert!(server.stdout().contains("(wrapped by a passphrase)"), "{}", server.stdout());
    let client = server.client();
    for n in 0..50 {
        let new = json!({ "name": format!("n{n}"), "domain": "example.com", "values": { "password": "p" } });
        assert_eq!(client.post("/credentials", &new).status, 201);
    }
    // A key is added beside the running server, which reads it with the passphrase that it has.
    succeeds(run_with(&program, RIGHT, &["key", "new"], ""));
    succeeds(run_with(&program, RIGHT, &["key", "use", "k2"], ""));
    assert_eq!(client.get("/credentials/by-call").status, 200);
    assert_eq!(
        client
            .post("/credentials", &json!({ "name": "by-k2", "domain": "example.com", "values": { "a": "b" } }))
            .status,
        201
    );
    let listed = succeeds(run_with(&program, RIGHT, &["key", "list"], "")).stdout;
    assert!(listed.starts_with("k2  seals  "), "{listed}");
    let backup = directory.path().join("backup");
    let said = succeeds(run_with(&program, RIGHT, &["backup", backup.to_str().unwrap()], "")).stdout;
    assert!(said.contains("a copy of the key file and its passphrase (k2, k1)"), "{said}");
    let mcp = succeeds(run_with(&program, RIGHT, &["mcp"], &mcp_session()));
    assert!(mcp.stdout.contains("by-call"), "{mcp:?}");
    succeeds(run_with(&program, RIGHT, &["verify"], ""));
    let in_use = change(&program, RIGHT, OTHER);
    assert!(in_use.code == Some(1) && in_use.stderr.contains("is in use by a running program"), "{in_use:?}");
    #[cfg(target_os = "linux")]
    for file in ["cmdline", "environ"] {
        let seen = fs::read(format!("/proc/{}/{file}", server.id())).unwrap_or_default();
        let part = RIGHT.as_bytes();
        assert!(!seen.windows(part.len()).any(|window| window == part), "{file}");
    }

    // What was searched for, of a copy that nobody else sees.
    let copy = TempDir::new();
    fs::copy(&file, copy.path().join("master.key")).unwrap();
    let copied = Program::on(copy.path());
    let said = succeeds(run_with(&copied, RIGHT, &["key", "passphrase", "--remove"], "")).stdout;
    assert!(said.contains("is not wrapped any more"), "{said}");
    let text = fs::read_to_string(copy.path().join("master.key")).unwrap();
    assert_eq!(text.lines().count(), 2);
    let other = copy.path().join("other");
    fs::write(&other, text.lines().last().unwrap()).unwrap();
    let keys = [key_in(&copy.path().join("master.key")), key_in(&other)];
    let searched = [directory.path(), temporary.path()];
    for key in &keys {
        assert_eq!(found(&searched, key), Vec::<String>::new(), "while the server runs");
    }
    let (status, log) = server.stop();
    assert!(status.success() && !log.stderr.contains(RIGHT), "{log:?}");
    for key in &keys {
        assert_eq!(found(&searched, key), Vec::<String>::new());
        // The search finds each form, wherever it is.
        for form in forms(key) {
            let planted = directory.path().join("cache/planted");
            fs::write(&planted, [b"before ", form.as_slice(), b" after"].concat()).unwrap();
            assert_eq!(found(&searched, key), [planted.display().to_string()]);
            fs::remove_file(planted).unwrap();
        }
        assert!(!found(&[copy.path()], key).is_empty());
    }
}

#[test]
fn only_the_right_one_opens_and_a_changed_one_takes_its_place() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    // Begun without one.
    assert_eq!(program.call(&serde_json::from_str(&create("a")).unwrap()).unwrap()["name"], "a");
    let file = directory.path().join("master.key");
    let plain = fs::read_to_string(&file).unwrap();
    let refused = run_with(&program, RIGHT, &["verify"], "");
    assert!(refused.stderr.contains("is not wrapped by a passphrase"), "{refused:?}");
    let wrap = |new| {
        let arguments = ["key", "passphrase", "--new-passphrase-fd", "3"];
        ended(Descriptors::of(&[new]).command(&program.command(&arguments)), "")
    };
    let short = wrap("eleven char");
    assert!(short.code == Some(1) && short.stderr.contains("at least 12 characters"), "{short:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), plain);
    let said = succeeds(wrap(RIGHT)).stdout;
    assert!(said.contains("Until now the keys were plain on this disk"), "{said}");

    let left = || (fs::read(&file).unwrap(), files(directory.path()).len());
    let before = left();
    for arguments in [&["verify"][..], &["serve", "--listen", "127.0.0.1:0"], &["key", "new"], &["backup", "nowhere"]] {
        let output = run_with(&program, OTHER, arguments, "");
        assert!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
        let line = format!("strongroom: {}: {WRONG}\n", fs::canonicalize(&file).unwrap().display());
        assert_eq!(output.stderr, line);
    }
    assert!(change(&program, OTHER, "yet another passphrase").stderr.contains(WRONG));
    assert!(left() == before, "nothing was changed");
    assert_eq!(succeeds(run_with(&program, RIGHT, &["verify"], "")).code, Some(0));

    succeeds(change(&program, RIGHT, OTHER));
    assert!(run_with(&program, RIGHT, &["verify"], "").stderr.contains(WRONG));
    succeeds(run_with(&program, OTHER, &["verify"], ""));
    // Who needs no key is not asked.
    let listed = program.run(&["token", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    // Changed in any way, the file opens no more; and nobody waits for what it would ask for.
    let good = fs::read_to_string(&file).unwrap();
    for (changed, why) in [
        (good.replace("keys-1 ", "keys-2 "), "damaged"),
        (good[..good.len() - 9].to_owned(), "damaged"),
        (format!("{} x", good.trim()), "damaged"),
    ] {
        fs::write(&file, changed).unwrap();
        let output = run_with(&program, OTHER, &["verify"], "");
        assert!(output.code == Some(1) && output.stderr.contains(why), "{output:?}");
    }
    fs::write(&file, good).unwrap();
    let arguments = ["key", "passphrase", "--remove", "--passphrase-fd", "3"];
    succeeds(ended(Descriptors::of(&[OTHER]).command(&program.command(&arguments)), ""));
    assert_eq!(fs::read_to_string(&file).unwrap(), plain);
    assert_eq!(program.run(&["verify"]).code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_asked_and_what_they_type_is_not_shown() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    let (new, again, of) = ("New passphrase: ", "The same again: ", "master.key: ");
    let verify = program.command(&["verify"]);

    let init = program.command(&["init", "--passphrase"]);
    let (code, shown) = on_terminal(&init, &[(new, RIGHT), (again, OTHER)]);
    assert!(code == Some(1) && shown.contains("these were two passphrases"), "{shown}");
    assert!(!shown.contains(RIGHT) && !shown.contains(OTHER), "{shown}");
    let (code, shown) = on_terminal(&init, &[(new, RIGHT), (again, RIGHT)]);
    assert!(code == Some(0) && !shown.contains(RIGHT), "{shown}");

    let (code, shown) = on_terminal(&verify, &[(of, OTHER)]);
    assert!(code == Some(1) && shown.contains(WRONG) && !shown.contains(OTHER), "{shown}");
    let change = program.command(&["key", "passphrase"]);
    let (code, shown) = on_terminal(&change, &[(of, RIGHT), (new, OTHER), (again, OTHER)]);
    assert!(code == Some(0) && !shown.contains(RIGHT) && !shown.contains(OTHER), "{shown}");
    let (code, shown) = on_terminal(&verify, &[(of, OTHER)]);
    assert!(code == Some(0) && !shown.contains(OTHER), "{shown}");
}

#[test]
fn a_descriptor_that_gives_none_is_told() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    for (line, number, why) in [
        ("", "3", "a passphrase is one line of 1 to 1024 bytes"),
        (&"x".repeat(2000), "3", "a passphrase is one line of 1 to 1024 bytes"),
        (RIGHT, "9", "nothing can be read there"),
        (RIGHT, "0", "it must be 3 to 1023"),
        (RIGHT, "canary", "it must be 3 to 1023"),
    ] {
        let command = program.command(&["init", "--passphrase-fd", number]);
        let output = ended(Descriptors::of(&[line]).command(&command), "");
        assert!(output.code == Some(2) && output.stderr.contains(why), "{why}: {output:?}");
    }
    assert!(files(directory.path()).is_empty(), "nothing was made");
}

/// Programs that the vault starts have not got the descriptor.
#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_started_cannot_read_it() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    succeeds(run_with(&program, RIGHT, &["call", "-", "--quiet"], &create("a")));
    let supply = ["supply", "a", "--origin", "https://example.com", "--quiet", "--passphrase-fd", "3", "--exec"];
    let script = ["sh", "-c", "cat <&3 || echo it is closed"];
    let command = program.command(&[&supply[..], &script[..]].concat());
    let output = ended(Descriptors::of(&[RIGHT]).command(&command), "");
    assert!(output.stdout.contains("it is closed") && !output.stdout.contains(RIGHT), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn where_there_is_no_terminal_nobody_waits() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    succeeds(run_with(&program, RIGHT, &["init"], ""));
    for arguments in [&["verify"][..], &["init", "--passphrase"], &["key", "passphrase"]] {
        let command = program.command(arguments);
        let mut alone = Command::new("setsid");
        alone.arg("--wait").arg(command.get_program()).args(command.get_args());
        let output = ended(alone, "");
        assert!(output.code == Some(1), "{output:?}");
        assert!(
            output.stderr.contains("there is no terminal to ask on: give the passphrase with --passphrase-fd"),
            "{output:?}"
        );
    }
    // A client of MCP is never asked: what is on its terminal is not the user's.
    let session = program.run_with_input(&["mcp"], &mcp_session());
    assert!(session.stdout.contains("is wrapped by a passphrase: give it with --passphrase-fd"), "{session:?}");
}

#[test]
fn what_a_command_gives_is_nowhere_on_disk() {
    let (secrets, directory, temporary) = (TempDir::new(), TempDir::new(), TempDir::new());
    let plain = secrets.path().join("keys");
    fs::write(&plain, strongroom_host::state::Keys::first().unwrap().setting()).unwrap();
    let key = key_in(&plain);
    let command = format!("cat '{}'", plain.display());
    let without = Program::on(directory.path()).with("TMPDIR", temporary.path().to_str().unwrap());
    let program = without.clone().with("STRONGROOM_KEY_COMMAND", &command);
    succeeds(program.run_with_input(&["call", "-", "--quiet"], &create("by-call")));
    assert!(!directory.path().join("master.key").exists());
    let server = without.serve_with(&["--key-command", &command]);
    assert!(server.stdout().contains("master key  what --key-command gives"), "{}", server.stdout());
    assert_eq!(server.client().get("/credentials/by-call").status, 200);
    let session = succeeds(program.run_with_input(&["mcp"], &mcp_session()));
    assert!(session.stdout.contains("by-call"), "{session:?}");
    succeeds(program.run(&["key", "list"]));
    succeeds(program.run(&["key", "rewrap"]));
    for arguments in [&["new"][..], &["use", "k1"], &["retire", "k2"], &["passphrase", "--remove"]] {
        let output = program.run(&[&["key"], arguments].concat());
        let is_told = output.stderr.contains("--key-command gives") || output.stderr.contains("there is no key k2");
        assert!(output.code == Some(1) && is_told, "{output:?}");
    }
    let backup = temporary.path().join("backup");
    let said = succeeds(program.run(&["backup", backup.to_str().unwrap()])).stdout;
    assert!(said.contains("keep what --key-command gets the keys from (k1) apart from it"), "{said}");
    let elsewhere = TempDir::new();
    let other = Program::on(elsewhere.path()).with("STRONGROOM_KEY_COMMAND", &command);
    succeeds(other.run(&["restore-backup", backup.to_str().unwrap()]));
    drop(server);
    assert_eq!(found(&[directory.path(), temporary.path(), elsewhere.path()], &key), Vec::<String>::new());
    assert_eq!(found(&[secrets.path()], &key), [plain.display().to_string()], "the search finds it");

    // Not both, in whatever way.
    let output = program.run(&["verify", "--key-file", plain.to_str().unwrap()]);
    assert!(output.stderr.contains("--key-file and --key-command exclude each other"), "{output:?}");
    let output = run_with(&program, RIGHT, &["verify"], "");
    assert!(output.stderr.contains("what --key-command gives is not wrapped"), "{output:?}");
    fs::copy(&plain, directory.path().join("master.key")).unwrap();
    let output = program.run(&["verify"]);
    assert!(output.stderr.contains("is there, though --key-command gives the master keys"), "{output:?}");
}

/// Its failures one by one are tested where it is run, `host/src/state/key_command.rs`.
#[test]
fn a_command_that_fails_is_told_and_nothing_is_made() {
    let directory = TempDir::new();
    for (command, why) in [
        ("false", "strongroom: --key-command: false: it ended with exit status: 1"),
        ("echo canary", "strongroom: --key-command printed no master keys: "),
        ("sh -c 'echo canary; echo why it failed >&2; exit 3'", "it ended with exit status: 3"),
        ("sh -c 'yes canary'", "it printed more than 16384 bytes"),
        ("/nowhere/kms", "/nowhere/kms cannot be run"),
        ("echo 'a", "a quote is not closed"),
    ] {
        let program = Program::on(&directory.path().join("state")).with("STRONGROOM_KEY_COMMAND", command);
        let output = program.run(&["init"]);
        assert!(output.code == Some(1) && output.stderr.contains(why), "{command}: {output:?}");
        assert!(!output.stderr.contains("canary") && output.stdout.is_empty(), "{output:?}");
        assert_eq!(output.stderr.contains("why it failed\n"), command.contains("why it failed"), "{output:?}");
        assert!(!directory.path().join("state/sqlite_key_value.db").exists());
    }
}
