//! What the C API of Wasmtime cannot do from C: a limiter that sums and remembers, one setting
//! of the pooling allocator, and files that are bounded and need no threads (files.rs). Everything else is the C API
//! itself, re-exported into one static library.
//! The C side of these declarations is `src/wasm/engine_abi.h`.

mod files;

use std::mem::{align_of, size_of};
use wasmtime_c_api::wasmtime::{Enabled, PoolingAllocationConfig, ResourceLimiter, Result, Store};

pub use files::*;
pub use wasmtime_c_api::*;

// The two casts below rest on these types being one field behind `repr(C)`.
const _: () = assert!(size_of::<wasmtime_store_t>() == size_of::<Store<WasmtimeStoreData>>());
const _: () = assert!(align_of::<wasmtime_store_t>() == align_of::<Store<WasmtimeStoreData>>());
const _: () = assert!(size_of::<wasmtime_pooling_allocation_config_t>() == size_of::<PoolingAllocationConfig>());
const _: () = assert!(align_of::<wasmtime_pooling_allocation_config_t>() == align_of::<PoolingAllocationConfig>());

/// Limits of one store and what came of them. Owned by C, which keeps it alive and unmoved for as
/// long as the store lives and reads it whenever no guest runs.
#[repr(C)]
pub struct trilby_limiter_t {
    /// Limit on the bytes of all linear memories and GC heaps together.
    pub max_memory_bytes: u64,
    /// Limit on the elements of all tables together.
    pub max_table_elements: u64,
    /// Bytes in use. Memories never shrink, so at the end of a call this is its peak.
    pub memory_bytes: u64,
    pub table_elements: u64,
    /// Growths refused so far because of the two limits above.
    pub denied: u32,
}

struct Limiter {
    shared: *mut trilby_limiter_t,
}

// A store, its limiter and the C struct behind it are used by one thread at a time.
unsafe impl Send for Limiter {}
unsafe impl Sync for Limiter {}

/// Adds `to - from` to `used` unless that passes `max`.
///
/// What passes a `maximum` below ours, which is the guest's own, fails in the engine whatever we say, so it is neither
/// counted as used nor as denied. Growths that we allow and the kernel then refuses stay counted: the engine reports failures also for
/// growths it never asked about, so taking back on report would let a guest talk its sum down.
fn grow(used: &mut u64, denied: &mut u32, max: u64, from: usize, to: usize, maximum: Option<usize>) -> bool {
    if maximum.is_some_and(|maximum| to > maximum && (maximum as u64) < max) {
        return false;
    }
    let more = to.saturating_sub(from) as u64;
    match used.checked_add(more).filter(|total| *total <= max) {
        Some(total) => {
            *used = total;
            true
        }
        None => {
            *denied = denied.saturating_add(1);
            false
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let s = unsafe { &mut *self.shared };
        Ok(grow(&mut s.memory_bytes, &mut s.denied, s.max_memory_bytes, current, desired, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let s = unsafe { &mut *self.shared };
        Ok(grow(&mut s.table_elements, &mut s.denied, s.max_table_elements, current, desired, maximum))
    }

    fn instances(&self) -> usize {
        1
    }
    fn tables(&self) -> usize {
        4
    }
    fn memories(&self) -> usize {
        4
    }
}

/// Puts `limiter` in charge of what guests in `store` may grow to. Call before instantiation.
///
/// # Safety
/// `store` is a live store; `limiter` outlives it and does not move.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trilby_store_limiter(store: *mut wasmtime_store_t, limiter: *mut trilby_limiter_t) {
    let store = unsafe { &mut *store.cast::<Store<WasmtimeStoreData>>() };
    let mut own = Limiter { shared: limiter };
    store.limiter(move |_| {
        let own: *mut Limiter = &mut own;
        // The closure may be called again only after the borrow it hands out has ended.
        unsafe { &mut *own }
    });
}

/// Lets the pool reset only the pages that a guest dirtied, where the kernel can tell (Linux 6.7+).
///
/// # Safety
/// `config` is a live pooling configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trilby_pooling_pagemap_scan_auto(config: *mut wasmtime_pooling_allocation_config_t) {
    let config = unsafe { &mut *config.cast::<PoolingAllocationConfig>() };
    config.pagemap_scan(Enabled::Auto);
}
