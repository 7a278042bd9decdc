//! WASI preview 1 with directories: wasmtime-wasi behind the C API, set up as the C API cannot say.
//! Its calls run on the thread that makes them, its streams are functions of ours, its open files are bounded.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::mem::{align_of, forget, size_of};
use std::path::Path;
use std::slice;
use std::sync::LazyLock;

use bytes::Bytes;
use tokio::io::{AsyncWrite, sink};
use tokio::runtime::{Builder, Runtime};
use wasmtime_c_api::wasmtime::{AsContextMut, Error, Result, Store};
use wasmtime_c_api::{
    WasmtimeStoreData, wasi_config_new, wasi_config_t, wasmtime_context_set_wasi, wasmtime_error_t, wasmtime_store_t,
};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{FsPerms, ResourceTableError, WasiCtxBuilder, WasiView, async_trait};

// The casts below rest on these types being one field behind `repr(C)`.
const _: () = assert!(size_of::<wasi_config_t>() == size_of::<WasiCtxBuilder>());
const _: () = assert!(align_of::<wasi_config_t>() == align_of::<WasiCtxBuilder>());
const _: () = assert!(size_of::<wasmtime_error_t>() == size_of::<Error>());
const _: () = assert!(align_of::<wasmtime_error_t>() == align_of::<Error>());

/// A directory of the host and where the guest finds it.
#[repr(C)]
pub struct trilby_directory_t {
    pub host: *const c_char,
    pub guest: *const c_char,
    pub write: bool,
}

/// What one guest with directories has. All that it points to outlives the store.
#[repr(C)]
pub struct trilby_files_t {
    pub input: *const u8,
    pub input_size: usize,
    /// Takes what the guest writes to descriptor 1 or 2. False: the guest ends.
    pub write: extern "C" fn(data: *mut c_void, descriptor: u32, bytes: *const u8, size: usize) -> bool,
    pub data: *mut c_void,
    pub directories: *const trilby_directory_t,
    pub directory_count: usize,
    /// Handles of all kinds that may be open at once.
    pub max_handles: usize,
}

#[derive(Clone, Copy)]
struct Output {
    write: extern "C" fn(*mut c_void, u32, *const u8, usize) -> bool,
    data: *mut c_void,
    descriptor: u32,
}

// Used by the thread that polls the store, and by one at a time.
unsafe impl Send for Output {}
unsafe impl Sync for Output {}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match (self.write)(self.data, self.descriptor, bytes.as_ptr(), bytes.len()) {
            true => Ok(()),
            false => Err(StreamError::trap("ended by the host")),
        }
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    /// Preview 1 never asks for this one.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(*self)
    }
}

/// wasmtime-wasi wants to be within some tokio runtime. This one has no threads and no drivers: nothing that a guest may
/// do here waits for any, and its default would start a thread for each core.
fn enter_runtime() {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());
    thread_local!(static ENTERED: Cell<bool> = const { Cell::new(false) });
    if !ENTERED.replace(true) {
        forget(RUNTIME.enter()); // for as long as the thread lives
    }
}

unsafe fn add_directories(builder: &mut WasiCtxBuilder, directories: &[trilby_directory_t]) -> Result<()> {
    for directory in directories {
        let (host, guest) = unsafe { (CStr::from_ptr(directory.host), CStr::from_ptr(directory.guest)) };
        let permissions = if directory.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(Path::new(host.to_str()?), guest.to_str()?, permissions)?;
    }
    Ok(())
}

/// Gives the guest of `store` its files. Call before instantiation, on the thread that will poll it.
/// \return false when a directory cannot be opened; the store must then not be used.
///
/// # Safety
/// `store` is a live store; what `files` points to lives and stays where it is for as long as the store does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trilby_store_files(store: *mut wasmtime_store_t, files: *const trilby_files_t) -> bool {
    let (store, files) = unsafe { (&mut *store.cast::<Store<WasmtimeStoreData>>(), &*files) };
    enter_runtime();
    let mut config = wasi_config_new();
    let builder = unsafe { &mut *(&raw mut *config).cast::<WasiCtxBuilder>() };
    let input: &'static [u8] = match files.input_size {
        0 => &[],
        size => unsafe { slice::from_raw_parts(files.input, size) },
    };
    let output = |descriptor| Output { write: files.write, data: files.data, descriptor };
    builder
        .allow_blocking_current_thread(true)
        .stdin(MemoryInputPipe::new(Bytes::from_static(input)))
        .stdout(output(1))
        .stderr(output(2));
    let directories = unsafe { slice::from_raw_parts(files.directories, files.directory_count) };
    if unsafe { add_directories(builder, directories) }.is_err() {
        return false;
    }
    if wasmtime_context_set_wasi(store.as_context_mut(), config).is_some() {
        return false;
    }
    store.data_mut().ctx().table.set_max_capacity(files.max_handles);
    true
}

/// Whether a guest ended because it wanted to have more files open than it may.
///
/// # Safety
/// `error` is a live error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trilby_error_is_too_many_handles(error: *const wasmtime_error_t) -> bool {
    let error = unsafe { &*error.cast::<Error>() };
    matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full))
}
