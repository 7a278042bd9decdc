//! The grayscale function again, in Rust on the `image` crate: what any toolchain makes of a WASI command runs as a function.

use std::io::{Cursor, Read, Write};

use image::{ImageError, ImageFormat, ImageOutputFormat};

const BAD_INPUT: i32 = 65;

fn grayscale(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let format = image::guess_format(bytes)?;
    let gray = image::load_from_memory_with_format(bytes, format)?.grayscale();
    let mut out = Cursor::new(Vec::new());
    match format {
        // The encoder takes colours only.
        ImageFormat::Gif => gray.to_rgba8().write_to(&mut out, ImageOutputFormat::Gif)?,
        _ => gray.write_to(&mut out, ImageOutputFormat::Png)?,
    }
    Ok(out.into_inner())
}

fn main() {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).expect("standard input can be read");
    match grayscale(&input) {
        Ok(output) => std::io::stdout().write_all(&output).expect("standard output can be written"),
        Err(error) => {
            eprintln!("not a picture that can be read: {error}");
            // Not by main's ExitCode: in Rust 1.63 that knows only 0 and 1 on this target.
            std::process::exit(BAD_INPUT);
        }
    }
}
