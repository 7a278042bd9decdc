//! Greets whom its input names, as often as it has seen the name: a state for each.
//!
//!   rustc --target wasm32-wasip1 -O -o greet.wasm greet.rs        (wasm32-wasi before Rust 1.78)
//!
//!   [function.greet]
//!   module = "greet.wasm"
//!   allow.dapr.state = { "store/seen-*" = "read-write" }
mod dapr;

use std::io::Read;

fn greet(name: &str) -> Result<String, dapr::Error> {
    let key = format!("seen-{}", name);
    let seen = match dapr::state_get("store", &key)? {
        Some(value) => String::from_utf8_lossy(&value).parse::<u32>().unwrap_or(0),
        None => 0,
    };
    dapr::state_save("store", &key, (seen + 1).to_string().as_bytes())?;
    Ok(format!("hello {}, for the {}. time", name, seen + 1))
}

fn main() {
    let mut name = String::new();
    let read = std::io::stdin().read_to_string(&mut name);
    match read.map_err(|_| dapr::Error::Invalid).and_then(|_| greet(&name)) {
        Ok(text) => println!("{}", text),
        Err(dapr::Error::Invalid) => {
            eprintln!("\"{}\" is no name", name);
            std::process::exit(65);
        }
        Err(error) => {
            eprintln!("{:?}", error);
            std::process::exit(1);
        }
    }
}
