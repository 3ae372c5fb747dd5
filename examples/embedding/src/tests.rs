//! What a store must do, whichever it is.

use crate::host::Host;
use crate::wasi::keyvalue::atomics::{CasError, Host as Atomics, HostCas};
use wasmtime::component::Resource;

#[test]
fn of_two_that_saw_the_same_value_one_replaces_it() {
    for begin in [None, Some(b"0".to_vec())] {
        let mut host = Host::default();
        let key = format!("from {begin:?}");
        let mut open = || HostCas::new(&mut host, Resource::new_own(0), key.clone()).unwrap();
        let [writer, first, second, reader] = [open(), open(), open(), open()];
        if let Some(value) = &begin {
            // It has not looked, so it replaces whatever is there.
            host.swap(writer, value.clone()).unwrap();
        }
        for handle in [&first, &second] {
            assert_eq!(host.current(Resource::new_borrow(handle.rep())).unwrap(), begin);
        }
        host.swap(first, b"1".to_vec()).unwrap();
        assert!(matches!(host.swap(second, b"2".to_vec()), Err(CasError::CasFailed(_))));
        assert_eq!(host.current(Resource::new_borrow(reader.rep())).unwrap(), Some(b"1".to_vec()));
    }
}

#[test]
fn increments_count_from_nothing() {
    let mut host = Host::default();
    let mut count = |delta| host.increment(Resource::new_own(0), "counted".to_owned(), delta).unwrap();
    assert_eq!([count(1), count(1), count(-3)], [1, 2, -1]);
}
