//! How often each action goes to an engine across a network and waits, counted on the wire between `strongroom serve` and the
//! engine: each operation of the store is one round trip, but what a change writes comes with its swap; and a read, where the
//! cache is warm, is one in all, the root.

use serde_json::{Value, json};
use strongroom_host_tests::engines::{Etcd, Postgres, Proxy};
use strongroom_host_tests::{Client, Program, TempDir};

/// With nodes of this size a vault of so many credentials has indexes of three levels, as one of a million has with those of
/// the usual size.
const NODE_BYTES: &str = "512";
const CREDENTIALS: u64 = 60;

/// What the ways to the leaves of the two indexes add to the root at least, where nothing is cached.
const DEPTH_MIN: u64 = 3;

/// Round trips of each action at most, with nothing cached and warm. A change that finds nothing cached makes up to [`SPLITS`]
/// more where nodes are united: then their neighbours are read.
const EXPECTED: [(&str, u64, u64); 10] = [
    ("get by id", 3, 1),
    ("get by name", 4, 1),
    ("code by id", 3, 1),
    ("code by name", 4, 1),
    ("page of 20", 24, 1),
    ("supply by id", 4, 1),
    ("exclusive code", 7, 4),
    ("create", 8, 3),
    ("update", 7, 3),
    ("delete", 8, 3),
];
const SPLITS: u64 = 2;

fn credential(number: u64) -> Value {
    json!({
        "name": format!("credential-{number:04}"),
        "domain": format!("accounts-{number:04}.example.com"),
        "values": { "username": format!("user-{number:04}"), "password": "fake-password" },
        "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    })
}

/// The program on an engine, behind a proxy that counts.
struct Scene<'a> {
    client: Client,
    proxy: &'a Proxy,
    /// Id of the credential that is read.
    id: String,
}

impl Scene<'_> {
    /// Operations of the store that the server has counted.
    fn operations(&self) -> u64 {
        let metrics = self.client.get("/metrics").body;
        let value = |name: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{metrics}"));
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        value("strongroom_store_operations_total")
    }

    /// Round trips of one request; and that there are no others than operations of the store, where they all go there one
    /// by one.
    fn cost(&self, is_cached: bool, what: &str, method: &str, path: &str, body: Option<&Value>) -> u64 {
        // To be asked for them costs some, too: the root is looked at.
        let first = self.operations();
        let operations = self.operations();
        let (of_asking, trips) = (operations - first, self.proxy.round_trips());
        let answer = self.client.request(method, path, &[], body);
        assert!(answer.status < 300, "{what}: {answer:?}");
        let trips = self.proxy.round_trips() - trips;
        let operations = self.operations() - operations - of_asking;
        // The one more opens the bucket, which no engine is asked for.
        assert!(
            if is_cached || body.is_some() || method == "DELETE" {
                trips < operations
            } else {
                trips + 1 == operations
            },
            "{what}: {trips} round trips of {operations} operations"
        );
        trips
    }

    fn measure(&self, is_cached: bool) -> Vec<(&'static str, u64)> {
        let id = &self.id;
        let name = "credential-0030";
        let mut costs = Vec::new();
        for (what, method, path, body) in [
            ("get by id", "GET", format!("/credentials/{id}"), None),
            ("get by name", "GET", format!("/credentials/{name}"), None),
            ("code by id", "GET", format!("/credentials/{id}/totp-code"), None),
            ("code by name", "GET", format!("/credentials/{name}/totp-code"), None),
            ("page of 20", "GET", "/credentials?limit=20".into(), None),
            (
                "supply by id",
                "POST",
                format!("/credentials/{id}/supply"),
                Some(json!({ "origin": "https://accounts-0030.example.com" })),
            ),
        ] {
            let first = self.cost(is_cached, what, method, &path, body.as_ref());
            let second = self.cost(is_cached, what, method, &path, body.as_ref());
            match is_cached {
                true => assert_eq!(second, 1, "{what}: the root"),
                false => assert!(first == second && second >= DEPTH_MIN, "{what}: {first}, {second}"),
            }
            costs.push((what, second));
        }
        // Changes write what they write. Each twice, as the first one reads the way to its place.
        let update = |round| json!({ "values": { "pin": format!("{round}") } });
        let path = format!("/credentials/{id}");
        for round in 0..2 {
            let mut new = credential(1000 + round);
            new.as_object_mut().unwrap().remove("totp_secret");
            let exclusive = format!("/credentials/credential-000{round}/totp-code?exclusive=true&min_valid_seconds=0");
            let created = format!("/credentials/credential-{}", 1000 + round);
            let changes = [
                ("exclusive code", "GET", &exclusive, None),
                ("create", "POST", &"/credentials".into(), Some(new)),
                ("update", "PATCH", &path, Some(update(round))),
                ("delete", "DELETE", &created, None),
            ];
            for (what, method, path, body) in changes {
                let cost = self.cost(is_cached, what, method, path, body.as_ref());
                if round == 1 {
                    costs.push((what, cost));
                }
            }
        }
        costs
    }
}

/// The same vault without a cache and with one.
fn measure(engine: &str, url: impl Fn(u32) -> String, proxy: &Proxy) {
    let tables = [false, true].map(|is_cached| {
        let directory = TempDir::new();
        let program = Program::on(directory.path()).with_store(&url(u32::from(is_cached)));
        let init = program.run(&["init", "--node-bytes", NODE_BYTES]);
        assert_eq!(init.code, Some(0), "{init:?}");
        let loading = program.serve();
        let mut ids = (0..CREDENTIALS).map(|number| {
            let created = loading.client().post("/credentials", &credential(number));
            assert_eq!(created.status, 201, "{created:?}");
            created.json()["id"].as_str().unwrap().to_owned()
        });
        let id = ids.nth(30).unwrap();
        ids.for_each(drop);
        loading.stop();
        // One that has not written what it reads.
        let bytes = if is_cached { "16777216" } else { "0" };
        let server = program.serve_with(&["--cache-bytes", bytes]);
        let scene = Scene { client: server.client(), proxy, id };
        scene.measure(is_cached)
    });
    println!("| {engine} | without the cache | warm |\n|---|---|---|");
    let [cold, warm] = tables;
    for ((what, cold), (_, warm)) in cold.iter().zip(&warm) {
        println!("| {what} | {cold} | {warm} |");
    }
    for (table, is_cached) in [(cold, false), (warm, true)] {
        for ((what, cost), (of, cold, warm)) in table.into_iter().zip(EXPECTED) {
            assert_eq!(what, of);
            let most = if is_cached { warm } else { cold };
            let more = if matches!(what, "create" | "update" | "delete") && !is_cached { SPLITS } else { 0 };
            assert!(cost <= most + more, "{engine}: {what} costs {cost} round trips, cached: {is_cached}");
        }
    }
}

#[test]
fn of_postgres() {
    let Some(server) = Postgres::start("round trips to PostgreSQL") else { return };
    let proxy = Proxy::to(server.port());
    let url = |round| {
        server.query(&format!("CREATE DATABASE round{round}"));
        server.url_through(proxy.port()).replace("/postgres", &format!("/round{round}"))
    };
    measure("PostgreSQL", url, &proxy);
}

#[test]
fn of_etcd() {
    let Some(cluster) = Etcd::start("round trips to etcd", 1) else { return };
    let proxy = Proxy::to(cluster.port(0));
    measure("etcd", |round| format!("etcd://127.0.0.1:{}/round{round}", proxy.port()), &proxy);
}
