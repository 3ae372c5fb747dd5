mod pairs;

use super::*;
use pairs::Pair;

fn assert_outcomes(table: &[Pair]) {
    for (domain, origin, expected) in table {
        let result = check(&Domain::parse(domain).unwrap(), origin);
        match (result, expected) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => panic!("released: {domain} to {origin:?}"),
            (Err(error), None) => panic!("refused: {domain} to {origin:?}: {}", error.message()),
            (Err(error), Some(rule)) => {
                assert_eq!(error.code(), Code::OriginRefused);
                assert!(error.message().starts_with("origin must"), "{}", error.message());
                assert!(error.message().contains(rule), "{domain} to {origin:?}: {}", error.message());
            }
        }
    }
}

#[test]
fn pairs_have_their_outcomes() {
    pairs::ALL.into_iter().for_each(assert_outcomes);
    assert!(pairs::ALL.iter().map(|table| table.len()).sum::<usize>() >= 80);
}

#[test]
fn refusals_do_not_echo() {
    for origin in [
        "https://canary.test",
        "http://canary.example.com",
        "canary",
        "https://canary@example.com",
        "https://can\u{e1}ry",
    ] {
        let error = check(&Domain::parse("example.com").unwrap(), origin).unwrap_err();
        assert!(!error.message().contains("can"), "{origin}");
    }
}

mod properties {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panics(origin: String) {
            let _ = check(&Domain::parse("example.com").unwrap(), &origin);
        }

        /// Whatever is released is released to a host that is the domain or ends in a dot and the domain, as an
        /// independent reading of the URL finds it.
        #[test]
        fn released_only_to_the_domain(
            scheme in "https?", before in "[a-e.:@/\\\\?#%]{0,12}", after in "[a-e.:@/\\\\?#%]{0,12}",
        ) {
            let origin = alloc::format!("{scheme}://{before}example.com{after}");
            if check(&Domain::parse("example.com").unwrap(), &origin).is_ok() {
                let authority = origin.strip_prefix("https://").unwrap();
                let end = authority.find(['/', '\\', '?', '#']).unwrap_or(authority.len());
                let host = authority[..end].split(':').next().unwrap().trim_end_matches('.');
                prop_assert!(host == "example.com" || host.ends_with(".example.com"));
                prop_assert!(!authority[..end].contains('@'));
            }
        }
    }
}
