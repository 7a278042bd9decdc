//! The grayscale function again, in Rust on the `image` crate: what any toolchain makes of a WASI command runs as a function.

use std::io::{Cursor, Read, Write};
use std::process::ExitCode;

use image::{ImageError, ImageFormat, ImageOutputFormat};

const BAD_INPUT: u8 = 65;

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

fn main() -> ExitCode {
    let mut input = Vec::new();
    if std::io::stdin().read_to_end(&mut input).is_err() {
        return ExitCode::FAILURE;
    }
    match grayscale(&input) {
        Ok(output) if std::io::stdout().write_all(&output).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("not a picture that can be read: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
