//! What is undone, and by whom: a way back is no way around.

use super::world::{World, entry};
use crate::settings;
use alloc::borrow::ToOwned;
use alloc::format;
use serde_json::json;

const WRITER: &str = "sr_writer";

/// A credential that was switched off by a person, and a token that may read and write.
fn switched_off() -> World {
    let world = World::default();
    let all = entry("all", "default", "read+totp+write+supply+admin", super::world::TOKEN);
    world.set(settings::TOKENS, &format!("{all} {}", entry("writer", "default", "read+totp+write", WRITER)));
    world.create("bank", Some("MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"));
    assert_eq!(world.patch("/credentials/bank", json!({"archived": true})).status, 200);
    world
}

fn by_writer(world: &World, method: &'static str, path: &str, body: serde_json::Value) -> u16 {
    world.request(method, path).header("authorization", &format!("Bearer {WRITER}")).json(body).send().status
}

#[test]
fn no_writer_switches_on_what_a_person_switched_off() {
    let restore = |world: &World| by_writer(world, "POST", "/credentials/bank/restore", json!({"version": 1}));
    let world = switched_off();
    assert_eq!(restore(&world), 403);

    // Something else is put in its place first, which is the writer's own.
    let world = switched_off();
    let junk = json!({"name": "bank", "domain": "example.com", "values": {"password": "junk"}});
    assert_eq!(by_writer(&world, "PUT", "/credentials/bank", junk), 200);
    assert_eq!(restore(&world), 403);
    assert_eq!(world.post("/credentials/bank/restore", json!({"version": 1})).status, 200, "a person may");

    // It is emptied first, and switched on while nothing is in it.
    let world = switched_off();
    let emptied = json!({"values": {"password": null, "username": null}, "totp_secret": null});
    assert_eq!(by_writer(&world, "PATCH", "/credentials/bank", emptied), 200);
    assert_eq!(by_writer(&world, "PATCH", "/credentials/bank", json!({"archived": false})), 200);
    assert_eq!(restore(&world), 403);
}

#[test]
fn what_is_deleted_is_restored_and_purged_in_the_version_that_is_meant() {
    let world = World::default();
    let id = world.create("n", None)["id"].as_str().unwrap().to_owned();
    let (restore, purge) = (format!("/credentials/{id}/restore"), format!("/credentials/{id}?purge=true"));
    let tag = |version: u64| format!("\"{id}.{version}\"");
    assert_eq!(world.request("DELETE", "/credentials/n").send().status, 204);
    // What is deleted has no entity tag, so none is its own.
    assert_eq!(world.request("POST", &restore).header("if-match", &tag(1)).json(json!({})).send().status, 412);
    assert_eq!(world.request("DELETE", &purge).header("if-match", &tag(7)).send().status, 404);
    assert_eq!(world.post(&restore, json!({})).status, 200);
}
