//! Two instances of the server on one engine: they begin one vault, go on while servers of the engine die, and lose nothing
//! of what they acknowledged.
//!
//! `STRONGROOM_TEST_LOAD_SECONDS` makes the runs under load longer than the tests do; each prints its availability.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use strongroom_host_tests::engines::{Etcd, Postgres};
use strongroom_host_tests::history::{Event, Found, Told, check};
use strongroom_host_tests::{Answer, Client, Dice, Program, TempDir};

const CLIENTS: u64 = 8;
const REGISTERS: u64 = 3;

/// First starts of two instances at the same moment.
const FIRST_STARTS: u32 = 20;

fn new(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": name } })
}

/// Two state directories of which the second uses the first one's key and tokens.
fn instances(directory: &TempDir, url: &str) -> [Program; 2] {
    let one = Program::on(&directory.path().join("one")).with_store(url);
    let two = Program::on(&directory.path().join("two")).with_store(url).with_files_of(&one);
    [one, two]
}

#[test]
fn first_starts_at_once_begin_one_vault_on_etcd() {
    let Some(cluster) = Etcd::start("first starts on etcd", 1) else { return };
    let directory = TempDir::new();
    first_starts(&directory, |round| format!("{}{round}", cluster.url()));
}

#[test]
fn first_starts_at_once_begin_one_vault_on_postgres() {
    let Some(server) = Postgres::start("first starts on PostgreSQL") else { return };
    let directory = TempDir::new();
    first_starts(&directory, |_| {
        server.query("DROP TABLE IF EXISTS spin_key_value, strongroom_meta");
        server.url(&[])
    });
}

/// An engine that is empty in each round.
fn first_starts(directory: &TempDir, mut url: impl FnMut(u32) -> String) {
    // Key and tokens; and what is compiled stays from round to round.
    let file = Program::on(&directory.path().join("files"));
    assert_eq!(file.run(&["init"]).code, Some(0));
    for round in 0..FIRST_STARTS {
        let url = url(round);
        let programs = ["one", "two"].map(|name| {
            let program = Program::on(&directory.path().join(name)).with_store(&url).with_files_of(&file);
            let _ = std::fs::remove_file(program.state().join("store.id"));
            program
        });
        let call = |program: &Program, name: &str| {
            let mut request = new(name);
            request["action"] = "create".into();
            program.call(&request)
        };
        let [one, two] = &programs;
        let made = thread::scope(|scope| {
            let [one, two] = [(one, "a"), (two, "b")].map(|(program, name)| scope.spawn(move || call(program, name)));
            [one.join().unwrap(), two.join().unwrap()]
        });
        assert!(made.iter().all(Result::is_ok), "round {round}: {made:?}");
        for program in &programs {
            let verified = program.run(&["verify"]);
            assert!(verified.stdout.starts_with("sound: 2 credentials"), "round {round}: {verified:?}");
        }
    }
}

/// A request of a run, and when it ended.
struct Ended {
    second: u64,
    is_answered: bool,
}

/// A credential that was acknowledged to a client.
#[derive(Clone)]
struct Own {
    id: String,
    /// Whether others tried its name, too.
    is_shared: bool,
}

/// What all clients of a run share.
struct Load {
    clients: [Client; 2],
    registers: Vec<String>,
    coded: String,
    start: Instant,
    is_over: AtomicBool,
    shared_names: AtomicU64,
    events: Mutex<Vec<Event>>,
    ended: Mutex<Vec<Ended>>,
}

impl Load {
    fn new(clients: [Client; 2]) -> Self {
        let id = |answer: Answer| {
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.json()["id"].as_str().unwrap().to_owned()
        };
        let registers =
            (0..REGISTERS).map(|number| id(clients[0].post("/credentials", &new(&format!("register-{number}")))));
        let registers = registers.collect();
        let mut coded = new("coded");
        coded["totp_secret"] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into();
        coded["totp_period"] = 5.into();
        let coded = id(clients[0].post("/credentials", &coded));
        Self {
            clients,
            registers,
            coded,
            start: Instant::now(),
            is_over: AtomicBool::new(false),
            shared_names: AtomicU64::new(0),
            events: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// One request. `None`: it is not known what became of it.
    fn ask(
        &self,
        dice: &mut Dice,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        let client = &self.clients[dice.between(0, 1) as usize];
        let answer = client.try_request(method, path, headers, body).ok();
        // 429 and 409 and 412 are answers; that a code is taken is the point of asking exclusively.
        let answer = answer.filter(|answer| answer.status < 500);
        let ended = Ended { second: self.start.elapsed().as_secs(), is_answered: answer.is_some() };
        self.ended.lock().unwrap().push(ended);
        answer
    }

    fn client(&self, number: u64) {
        let dice = &mut Dice(number + 1);
        let mut own = Vec::new();
        for round in 0u64.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let event = match dice.between(0, 99) {
                0..35 => self.create(dice, &format!("client-{number}-{round}"), false, number, &mut own),
                35..50 => {
                    // A name that some other client tries at about the same time.
                    let name = self.shared_names.fetch_add(1, Ordering::SeqCst) / 4;
                    self.create(dice, &format!("shared-{name}"), true, number, &mut own)
                }
                50..67 => self.update(dice, &format!("{number}-{round}")),
                67..77 => self.code(dice),
                77..82 => {
                    self.ask(dice, "GET", "/credentials?limit=20", &[], None);
                    None
                }
                _ if own.is_empty() => continue,
                82..87 => self.delete(dice, &mut own),
                _ => {
                    let id = dice.one_of(&own).id;
                    let answer = self.ask(dice, "GET", &format!("/credentials/{id}"), &[], None);
                    let told = match answer.map(|answer| answer.status) {
                        Some(200) => Told::Done(true),
                        Some(404) => Told::Done(false),
                        Some(_) | None => Told::Unknown,
                    };
                    Some(Event::Read { id, told })
                }
            };
            self.events.lock().unwrap().extend(event);
        }
    }

    fn create(&self, dice: &mut Dice, name: &str, is_shared: bool, number: u64, own: &mut Vec<Own>) -> Option<Event> {
        let mut body = new(name);
        // So that none is taken for the repetition of another client's.
        body["values"]["client"] = number.to_string().into();
        let told = match self.ask(dice, "POST", "/credentials", &[], Some(&body)) {
            Some(answer) if answer.status == 201 => Told::Done(answer.json()["id"].as_str().unwrap().to_owned()),
            Some(answer) if answer.status == 409 => Told::Refused,
            Some(answer) => panic!("{answer:?}"),
            None => Told::Unknown,
        };
        if let Told::Done(id) = &told {
            own.push(Own { id: id.clone(), is_shared });
        }
        Some(Event::Create { name: name.to_owned(), is_shared, told })
    }

    /// The newest of those that nobody else can have the name of.
    fn delete(&self, dice: &mut Dice, own: &mut Vec<Own>) -> Option<Event> {
        let id = own.remove(own.iter().rposition(|own| !own.is_shared)?).id;
        let told = match self.ask(dice, "DELETE", &format!("/credentials/{id}"), &[], None) {
            Some(answer) if answer.status == 204 => Told::Done(()),
            Some(answer) if answer.status == 404 => Told::Refused,
            Some(answer) => panic!("{answer:?}"),
            None => Told::Unknown,
        };
        Some(Event::Delete { id, told })
    }

    fn update(&self, dice: &mut Dice, text: &str) -> Option<Event> {
        let id = dice.one_of(&self.registers);
        let path = format!("/credentials/{id}");
        let seen = self.ask(dice, "GET", &path, &[], None)?;
        let tag = seen.header("etag")?.to_owned();
        let body = json!({ "description": text });
        let told = match self.ask(dice, "PATCH", &path, &[("If-Match", &tag)], Some(&body)) {
            Some(answer) if answer.status == 200 => Told::Done(answer.json()["version"].as_u64().unwrap()),
            Some(answer) if answer.status == 412 => Told::Refused,
            Some(answer) => panic!("{answer:?}"),
            None => Told::Unknown,
        };
        Some(Event::Update { id, told })
    }

    fn code(&self, dice: &mut Dice) -> Option<Event> {
        let id = self.coded.clone();
        let path = format!("/credentials/{id}/totp-code?exclusive=true");
        let told = match self.ask(dice, "GET", &path, &[], None) {
            Some(answer) if answer.status == 200 => {
                Told::Done(answer.json()["expires_at"].as_str().unwrap().to_owned())
            }
            Some(answer) if answer.status == 429 => Told::Refused,
            Some(answer) => panic!("{answer:?}"),
            None => Told::Unknown,
        };
        Some(Event::Code { id, told })
    }

    /// Runs the clients while `disturb` kills what it likes, and holds what they were told against what is there.
    fn run(self, what: &str, seconds: u64, disturb: impl FnOnce(Instant) + Send) {
        let before = self.found().credentials;
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let load = &self;
                scope.spawn(move || load.client(number));
            }
            let end = Instant::now() + Duration::from_secs(seconds);
            disturb(end);
            thread::sleep(end.saturating_duration_since(Instant::now()));
            self.is_over.store(true, Ordering::SeqCst);
        });
        let events = self.events.lock().unwrap();
        let found = self.found();
        self.print(what, &events);
        let violations = check(&events, &before, &found);
        assert!(violations.0.is_empty(), "{} violations:\n{violations}", violations.0.len());
        let done = events.iter().filter(|event| matches!(event, Event::Create { told: Told::Done(_), .. })).count();
        assert!(done > 20, "there was no load: {done} creates");
    }

    /// What is there. The engine may be at odds with itself a moment longer.
    fn found(&self) -> Found {
        let get = |path: &str| {
            let start = Instant::now();
            loop {
                match self.clients[1].try_request("GET", path, &[], None) {
                    Ok(answer) if answer.status == 200 => return answer,
                    failed => assert!(start.elapsed() < Duration::from_secs(60), "{path}: {failed:?}"),
                }
                thread::sleep(Duration::from_millis(200));
            }
        };
        let mut found = Found::default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut offset = Some(0);
        while let Some(from) = offset {
            let page = get(&format!("/credentials?limit=100&offset={from}"));
            for item in page.json().as_array().unwrap() {
                found.credentials.push((text(&item["id"]), text(&item["name"]), item["version"].as_u64().unwrap()));
            }
            offset = page
                .header("x-next-offset")
                .and_then(|next| next.parse::<u64>().ok())
                .filter(|_| page.header("x-has-more") == Some("true"));
        }
        let mut cursor = String::new();
        loop {
            let page = get(&format!("/audit?limit=100{cursor}")).json();
            for event in page["events"].as_array().unwrap() {
                found.audit.push((text(&event["action"]), text(&event["credential"]), event["version"].as_u64()));
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    fn print(&self, what: &str, events: &[Event]) {
        let mut seconds: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
        for ended in self.ended.lock().unwrap().iter() {
            seconds.entry(ended.second).or_default()[usize::from(!ended.is_answered)] += 1;
        }
        let last = seconds.keys().last().copied().unwrap_or_default();
        let silent = (0..=last).filter(|second| seconds.get(second).is_none_or(|[answered, _]| *answered == 0)).count();
        let answers_in = |second: u64| seconds.get(&second).map_or(0, |[answered, _]| *answered);
        let (mut gap, mut longest) = (0, 0);
        for second in 0..=last {
            gap = if answers_in(second) == 0 { gap + 1 } else { 0 };
            longest = longest.max(gap);
        }
        let mut sorted: Vec<_> = (0..=last).map(answers_in).collect();
        sorted.sort_unstable();
        let unknown = events.iter().filter(|event| {
            matches!(
                event,
                Event::Create { told: Told::Unknown, .. }
                    | Event::Update { told: Told::Unknown, .. }
                    | Event::Delete { told: Told::Unknown, .. }
            )
        });
        println!(
            "{what}: {} events, {} changes with unknown outcome; no answer in {silent} of {} seconds, {longest} of them \
             in a row at most; answers in a second: {} in the median, {} at most",
            events.len(),
            unknown.count(),
            last + 1,
            sorted[sorted.len() / 2],
            sorted.last().unwrap()
        );
        let row: Vec<_> =
            seconds.iter().map(|(second, [answered, not])| format!("{second}: {answered}/{not}")).collect();
        println!("answered/not by second: {}", row.join(", "));
    }
}

/// How long a run under load is: as long as it is asked for, or as the tests have time for.
fn seconds(usually: u64) -> u64 {
    std::env::var("STRONGROOM_TEST_LOAD_SECONDS").map_or(usually, |seconds| seconds.parse().unwrap())
}

#[test]
fn nothing_is_lost_while_leaders_of_etcd_die() {
    let Some(mut cluster) = Etcd::start("two instances on three nodes of etcd", 3) else { return };
    let directory = TempDir::new();
    let [one, two] = instances(&directory, &cluster.url());
    let one = one.serve();
    let token = one.admin_token();
    let two = two.serve();
    let load = Load::new([one.client(), two.client_with(&token)]);
    let seconds = seconds(25);
    // Twenty seconds from kill to kill, if there is the time.
    let interval = Duration::from_secs((seconds / 3).min(20));
    load.run("etcd", seconds, |end| {
        while Instant::now() + interval < end {
            let round = Instant::now();
            let leader = cluster.leader().unwrap_or(0);
            cluster.kill(leader);
            thread::sleep(interval / 3);
            cluster.spawn(leader);
            cluster.wait_for_leader();
            // Longer than an election takes.
            let follower = (0..cluster.len()).find(|member| Some(*member) != cluster.leader()).unwrap();
            cluster.pause(follower);
            thread::sleep(interval / 4);
            cluster.resume(follower);
            thread::sleep((round + interval).saturating_duration_since(Instant::now()));
        }
        cluster.wait_for_leader();
    });
}

#[test]
fn nothing_is_lost_when_the_primary_of_postgres_dies() {
    let Some(mut primary) = Postgres::start("two instances on PostgreSQL with a standby") else { return };
    let standby = primary.synchronous_standby();
    let directory = TempDir::new();
    let [one, two] = instances(&directory, &primary.url(&[&standby]));
    let one = one.serve();
    let token = one.admin_token();
    let two = two.serve();
    let load = Load::new([one.client(), two.client_with(&token)]);
    let seconds = seconds(20);
    load.run("PostgreSQL", seconds, |_| {
        thread::sleep(Duration::from_secs(seconds / 3));
        primary.kill();
        standby.promote();
        // As whoever operates it would, or nothing could be written.
        standby.query("ALTER SYSTEM SET synchronous_standby_names = ''");
        standby.query("SELECT pg_reload_conf()");
    });
}

/// A project goes from engine to engine, and stays what it was.
#[test]
fn a_project_moves_from_engine_to_engine() {
    let test = "copies between engines";
    let (Some(cluster), Some(server)) = (Etcd::start(test, 1), Postgres::start(test)) else { return };
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    for number in 0..40 {
        let mut request = new(&format!("n{number}"));
        request["action"] = "create".into();
        request["totp_secret"] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into();
        program.call(&request).unwrap();
    }
    let list = |program: &Program| program.call(&json!({ "action": "list", "limit": 100 })).unwrap();
    let expected = list(&program);
    let elsewhere = format!("sqlite:{}", directory.path().join("elsewhere").display());
    std::fs::create_dir(directory.path().join("elsewhere")).unwrap();
    let (etcd, postgres) = (cluster.url(), server.url(&[]));
    for (from, to) in [("sqlite:", &*etcd), (&etcd, &postgres), (&postgres, &elsewhere)] {
        let copied = program.run(&["copy", "--from", from, "--to", to]);
        assert_eq!(copied.code, Some(0), "{copied:?}");
        // It has the id of the first store, so the state directory knows it.
        let there = program.clone().with_store(to);
        assert_eq!(list(&there), expected);
        let verified = there.run(&["verify"]);
        assert!(verified.stdout.starts_with("sound: 40 credentials"), "{verified:?}");
        let again = program.run(&["copy", "--from", from, "--to", to]);
        assert!(again.code == Some(1) && again.stderr.contains("has the project default already"), "{again:?}");
    }
    let same = program.run(&["copy", "--from", "sqlite:", "--to", "sqlite:"]);
    assert!(same.stderr.contains("are the same store"), "{same:?}");
    // Another state directory does not take it for its own, and its key does not open it.
    let stranger = Program::on(&directory.path().join("stranger")).with_store(&etcd);
    let refused = stranger.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--key-file"), "{refused:?}");
    let lost = program.with_store(&format!("{etcd}-lost")).run(&["verify"]);
    assert!(lost.code == Some(1) && lost.stderr.contains("has lost what it held"), "{lost:?}");
}
