//! Copies the headers that the C API's crate installed for us to a place that does not carry a hash,
//! so that CMake can name it: `<target dir>/include`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TRILBY_ENGINE_INCLUDE");
    let from = env::var("DEP_WASMTIME_C_API_INCLUDE").expect("wasmtime-c-api-impl exports its include directory");
    let to = env::var("TRILBY_ENGINE_INCLUDE").expect("set by the CMake build");
    copy(Path::new(&from), &PathBuf::from(to)).expect("the headers can be copied");
}
