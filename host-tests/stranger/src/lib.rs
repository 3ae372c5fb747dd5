//! A component that uses the vault, and beside it asks for all that it could find out without it: the settings, with the
//! master key among them, and what lies in the store. Without std, so that it imports nothing else.
#![cfg(target_arch = "wasm32")]
#![no_std]

extern crate alloc;

#[path = "../../../src/component/runtime.rs"]
#[allow(unsafe_code)] // The canonical ABI's entry points and the allocator.
mod runtime;

#[allow(unsafe_code, warnings, clippy::all)] // Generated.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:stranger;
            world stranger {
                import strongroom:vault/credentials@0.1.0;
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import wasi:keyvalue/store@0.2.0-draft2;
                export names: func() -> result<list<string>, string>;
                export code: func(name: string) -> result<string, string>;
                export add: func(name: string, domain: string, value: string) -> result<string, string>;
                export put: func(name: string, domain: string, value: string, version: option<u64>) -> result<u64, string>;
                export describe: func(name: string, description: string) -> result<option<string>, string>;
                export remove: func(name: string) -> result<string, string>;
                export setting: func(name: string) -> result<option<string>, string>;
                export settings: func() -> result<list<tuple<string, string>>, string>;
                export keys: func(bucket: string) -> result<list<string>, string>;
            }
        ",
        // The folder `wit` of Strongroom.
        path: "../../wit",
        generate_all,
        std_feature,
    });

    use super::Stranger;
    export!(Stranger);
}

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bindings::strongroom::vault::credentials::{self, Changes, ListQuery, NewCredential};
use bindings::strongroom::vault::types::Error;
use bindings::wasi::{config, keyvalue};

struct Stranger;

impl bindings::Guest for Stranger {
    fn names() -> Result<Vec<String>, String> {
        let all = ListQuery {
            domain: None,
            query: None,
            origin: None,
            archived: false,
            deleted: false,
            limit: None,
            offset: None,
        };
        let page = credentials::list(&all).map_err(told)?;
        Ok(page.items.into_iter().map(|credential| credential.name).collect())
    }

    fn code(name: String) -> Result<String, String> {
        credentials::totp_code(&name, None).map(|code| code.code).map_err(told)
    }

    fn add(name: String, domain: String, value: String) -> Result<String, String> {
        let id = credentials::create(&credential(name, domain, value)).map_err(told)?.id;
        Ok(credentials::get(&id).map_err(told)?.name)
    }

    fn put(name: String, domain: String, value: String, version: Option<u64>) -> Result<u64, String> {
        credentials::put(&credential(name, domain, value), version).map(|put| put.version).map_err(told)
    }

    fn describe(name: String, description: String) -> Result<Option<String>, String> {
        let changes = Changes {
            name: None,
            domain: None,
            additional_domains: None,
            description: Some(description),
            metadata: None,
            archived: None,
            values: None,
            remove_value_keys: None,
            sso_provider: None,
            totp_secret: None,
            totp_algorithm: None,
            totp_digits: None,
            totp_period: None,
            expected_version: None,
        };
        credentials::update(&name, &changes).map(|updated| updated.description).map_err(told)
    }

    fn remove(name: String) -> Result<String, String> {
        credentials::delete(&name, None).map_err(told)
    }

    fn setting(name: String) -> Result<Option<String>, String> {
        config::store::get(&name).map_err(|error| format!("{error:?}"))
    }

    fn settings() -> Result<Vec<(String, String)>, String> {
        config::store::get_all().map_err(|error| format!("{error:?}"))
    }

    fn keys(bucket: String) -> Result<Vec<String>, String> {
        let bucket = keyvalue::store::open(&bucket).map_err(|error| format!("{error:?}"))?;
        Ok(bucket.list_keys(None).map_err(|error| format!("{error:?}"))?.keys)
    }
}

fn credential(name: String, domain: String, value: String) -> NewCredential {
    NewCredential {
        name,
        domain,
        additional_domains: Vec::new(),
        description: None,
        metadata: Vec::new(),
        archived: false,
        values: Vec::from([("password".into(), value)]),
        sso_provider: None,
        totp_secret: None,
        totp_algorithm: None,
        totp_digits: None,
        totp_period: None,
    }
}

fn told(error: Error) -> String {
    format!("{:?}: {}", error.code, error.message)
}
