//! A Rust program that has a vault in it, without a server: `STRONGROOM_KEYS=... embedding strongroom-agent.wasm`.

mod host;
#[cfg(test)]
mod tests;

// The folder `wit` of Strongroom. A host that logs in itself takes the world `vault`, which has all of the functions.
wasmtime::component::bindgen!({
    path: "../../wit",
    world: "agent",
    with: { "wasi:keyvalue/store.bucket": host::Bucket, "wasi:keyvalue/atomics.cas": host::Cas },
});

use exports::strongroom::vault::credentials::NewCredential;
use host::Host;
use std::{env, thread};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Result, Store};

fn main() -> Result<()> {
    let engine = Engine::default();
    let file = env::args().nth(1).unwrap_or_else(|| "strongroom-agent.wasm".to_owned());
    let component = Component::from_file(&engine, file)?;
    let mut linker = Linker::new(&engine);
    Agent::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    let agent = AgentPre::new(linker.instantiate_pre(&component)?)?;

    // A fresh instance for each call, so that what one leaves in its memory is never there for another.
    let instance = || -> Result<(Store<Host>, Agent)> {
        let mut store = Store::new(&engine, Host::default());
        let instance = agent.instantiate(&mut store)?;
        Ok((store, instance))
    };
    let create = |name: &str| -> Result<()> {
        let (mut store, agent) = instance()?;
        agent.strongroom_vault_credentials().call_create(&mut store, &credential(name))??;
        Ok(())
    };
    let code = |name: &str| -> Result<String> {
        let (mut store, agent) = instance()?;
        Ok(agent.strongroom_vault_credentials().call_totp_code(&mut store, name, None)??.code)
    };

    // The first begins the vault. The others come at once, and none is lost.
    create("codeberg")?;
    thread::scope(|scope| {
        let threads = ["github", "gitlab", "sourcehut"].map(|name| scope.spawn(move || create(name)));
        threads.into_iter().try_for_each(|thread| thread.join().expect("nothing in it panics"))
    })?;
    for name in ["codeberg", "github", "gitlab", "sourcehut"] {
        println!("{name}: {}", code(name)?);
    }
    Ok(())
}

fn credential(name: &str) -> NewCredential {
    NewCredential {
        name: name.to_owned(),
        domain: format!("{name}.example"),
        additional_domains: Vec::new(),
        description: None,
        metadata: Vec::new(),
        archived: false,
        values: vec![("password".to_owned(), "hunter2".to_owned())],
        sso_provider: None,
        totp_secret: Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()),
        totp_algorithm: None,
        totp_digits: None,
        totp_period: None,
    }
}
