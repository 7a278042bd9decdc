//! The import module `dapr` of Trilby, for Rust: what a function may ask of Dapr, as far as its manifest grants it.
//! `dapr.h` beside it says what names are made of and what each function does. Copy this file into your project; needs Rust 1.63, no crate.
#![allow(dead_code)]

mod raw {
    #[link(wasm_import_module = "dapr")]
    extern "C" {
        #[allow(clippy::too_many_arguments)]
        pub fn invoke(
            app: *const u8, app_length: usize, method: *const u8, method_length: usize, verb: *const u8, verb_length: usize,
            content_type: *const u8, content_type_length: usize, body: *const u8, body_length: usize, status: *mut u32,
        ) -> u32;
        pub fn state_get(store: *const u8, store_length: usize, key: *const u8, key_length: usize) -> u32;
        pub fn state_save(
            store: *const u8, store_length: usize, key: *const u8, key_length: usize, value: *const u8, value_length: usize,
        ) -> u32;
        pub fn state_delete(store: *const u8, store_length: usize, key: *const u8, key_length: usize) -> u32;
        pub fn state_transaction(store: *const u8, store_length: usize, operations: *const u8, length: usize) -> u32;
        pub fn state_get_bulk(store: *const u8, store_length: usize, keys: *const u8, keys_length: usize) -> u32;
        pub fn publish(
            pubsub: *const u8, pubsub_length: usize, topic: *const u8, topic_length: usize, content_type: *const u8,
            content_type_length: usize, data: *const u8, data_length: usize,
        ) -> u32;
        pub fn binding(
            name: *const u8, name_length: usize, operation: *const u8, operation_length: usize, data: *const u8, data_length: usize,
        ) -> u32;
        pub fn secret(store: *const u8, store_length: usize, key: *const u8, key_length: usize) -> u32;
        pub fn actor_state_get(key: *const u8, key_length: usize) -> u32;
        pub fn actor_state_change(operations: *const u8, length: usize) -> u32;
        pub fn actor_reminder(name: *const u8, name_length: usize, what: *const u8, what_length: usize) -> u32;
        pub fn actor_timer(name: *const u8, name_length: usize, what: *const u8, what_length: usize) -> u32;
        pub fn actor_invoke(
            kind: *const u8, kind_length: usize, id: *const u8, id_length: usize, method: *const u8, method_length: usize,
            content_type: *const u8, content_type_length: usize, data: *const u8, data_length: usize,
        ) -> u32;
        pub fn configuration_get(store: *const u8, store_length: usize, key: *const u8, key_length: usize) -> u32;
        pub fn lock(
            store: *const u8, store_length: usize, resource: *const u8, resource_length: usize, owner: *const u8, owner_length: usize,
            seconds: u32,
        ) -> u32;
        pub fn unlock(
            store: *const u8, store_length: usize, resource: *const u8, resource_length: usize, owner: *const u8, owner_length: usize,
        ) -> u32;
        pub fn job_schedule(name: *const u8, name_length: usize, what: *const u8, what_length: usize) -> u32;
        pub fn job_delete(name: *const u8, name_length: usize) -> u32;
        pub fn answer_size() -> usize;
        pub fn answer_read(from: usize, buffer: *mut u8, length: usize) -> u32;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    Invalid,
    Denied,
    NotFound,
    TooLarge,
    Failed,
    Busy,
    NoSidecar,
    Conflict,
}

fn check(errno: u32) -> Result<(), Error> {
    match errno {
        0 => Ok(()),
        2 => Err(Error::Denied),
        3 => Err(Error::NotFound),
        4 => Err(Error::TooLarge),
        5 => Err(Error::Failed),
        6 => Err(Error::Busy),
        7 => Err(Error::NoSidecar),
        8 => Err(Error::Conflict),
        _ => Err(Error::Invalid),
    }
}

fn answer() -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; unsafe { raw::answer_size() }];
    check(unsafe { raw::answer_read(0, bytes.as_mut_ptr(), bytes.len()) })?;
    Ok(bytes)
}

/// The status that the app answered, and its body.
pub fn invoke(app: &str, method: &str, verb: &str, content_type: &str, body: &[u8]) -> Result<(u32, Vec<u8>), Error> {
    let mut status = 0;
    check(unsafe {
        raw::invoke(
            app.as_ptr(), app.len(), method.as_ptr(), method.len(), verb.as_ptr(), verb.len(), content_type.as_ptr(),
            content_type.len(), body.as_ptr(), body.len(), &mut status,
        )
    })?;
    Ok((status, answer()?))
}

/// The JSON text under a key; None when there is none.
pub fn state_get(store: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    match check(unsafe { raw::state_get(store.as_ptr(), store.len(), key.as_ptr(), key.len()) }) {
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
        Ok(()) => answer().map(Some),
    }
}

/// `value`: a JSON text.
pub fn state_save(store: &str, key: &str, value: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::state_save(store.as_ptr(), store.len(), key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

pub fn state_delete(store: &str, key: &str) -> Result<(), Error> {
    check(unsafe { raw::state_delete(store.as_ptr(), store.len(), key.as_ptr(), key.len()) })
}

/// `operations`: a JSON text, as `dapr.h` has it. Error::Conflict when an etag is not that of its state any more.
pub fn state_transaction(store: &str, operations: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::state_transaction(store.as_ptr(), store.len(), operations.as_ptr(), operations.len()) })
}

/// `keys`: a JSON text, as in `["k","l"]`; so is what it gives, as `dapr.h` has it.
pub fn state_get_bulk(store: &str, keys: &[u8]) -> Result<Vec<u8>, Error> {
    check(unsafe { raw::state_get_bulk(store.as_ptr(), store.len(), keys.as_ptr(), keys.len()) })?;
    answer()
}

pub fn publish(pubsub: &str, topic: &str, content_type: &str, data: &[u8]) -> Result<(), Error> {
    check(unsafe {
        raw::publish(
            pubsub.as_ptr(), pubsub.len(), topic.as_ptr(), topic.len(), content_type.as_ptr(), content_type.len(), data.as_ptr(),
            data.len(),
        )
    })
}

/// `data`: a JSON text, or nothing.
pub fn binding(name: &str, operation: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    check(unsafe { raw::binding(name.as_ptr(), name.len(), operation.as_ptr(), operation.len(), data.as_ptr(), data.len()) })?;
    answer()
}

pub fn secret(store: &str, key: &str) -> Result<Vec<u8>, Error> {
    check(unsafe { raw::secret(store.as_ptr(), store.len(), key.as_ptr(), key.len()) })?;
    answer()
}

/// The value of a configuration; None when there is none.
pub fn configuration_get(store: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    match check(unsafe { raw::configuration_get(store.as_ptr(), store.len(), key.as_ptr(), key.len()) }) {
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
        Ok(()) => answer().map(Some),
    }
}

/// `seconds`: 1 to 86400. Error::Conflict when it is locked already, be it by the same owner.
pub fn lock(store: &str, resource: &str, owner: &str, seconds: u32) -> Result<(), Error> {
    check(unsafe {
        raw::lock(store.as_ptr(), store.len(), resource.as_ptr(), resource.len(), owner.as_ptr(), owner.len(), seconds)
    })
}

/// Error::NotFound when it is not locked, Error::Conflict when another owner has it.
pub fn unlock(store: &str, resource: &str, owner: &str) -> Result<(), Error> {
    check(unsafe { raw::unlock(store.as_ptr(), store.len(), resource.as_ptr(), resource.len(), owner.as_ptr(), owner.len()) })
}

/// `what`: a JSON text, as `dapr.h` has it.
pub fn job_schedule(name: &str, what: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::job_schedule(name.as_ptr(), name.len(), what.as_ptr(), what.len()) })
}

pub fn job_delete(name: &str) -> Result<(), Error> {
    check(unsafe { raw::job_delete(name.as_ptr(), name.len()) })
}

/// The JSON text under a key of the actor that is called; None when there is none.
pub fn actor_state_get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    match check(unsafe { raw::actor_state_get(key.as_ptr(), key.len()) }) {
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
        Ok(()) => answer().map(Some),
    }
}

/// `operations`: a JSON text, as `dapr.h` has it.
pub fn actor_state_change(operations: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::actor_state_change(operations.as_ptr(), operations.len()) })
}

/// `what`: a JSON text, as `dapr.h` has it; empty: there is to be none of that name any more.
pub fn actor_reminder(name: &str, what: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::actor_reminder(name.as_ptr(), name.len(), what.as_ptr(), what.len()) })
}

/// The same with a timer.
pub fn actor_timer(name: &str, what: &[u8]) -> Result<(), Error> {
    check(unsafe { raw::actor_timer(name.as_ptr(), name.len(), what.as_ptr(), what.len()) })
}

/// What the method of an actor of type `kind` answers.
pub fn actor_invoke(kind: &str, id: &str, method: &str, content_type: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    check(unsafe {
        raw::actor_invoke(
            kind.as_ptr(), kind.len(), id.as_ptr(), id.len(), method.as_ptr(), method.len(), content_type.as_ptr(), content_type.len(),
            data.as_ptr(), data.len(),
        )
    })?;
    answer()
}
