//! What an untrusted template or grammar may spend. A conversation of a thousand messages spends
//! less than a hundredth of what a template gets.

use std::io::{self, Write};

use minijinja::{Error, ErrorKind};

/// Instructions of one rendering: about a second.
pub const FUEL: u64 = 20_000_000;

/// Depth of nested macros and loops, in minijinja's own unit (a macro call counts 4).
pub const RECURSION: usize = 400;

/// Bytes of one rendered prompt.
pub const OUTPUT_BYTES: usize = 64 << 20;

/// Refuses widths and precisions of seven digits in a format string: they would be allocated.
pub fn check_format(text: &str) -> Result<(), Error> {
    let mut digits = 0;
    for character in text.chars() {
        digits = if character.is_ascii_digit() {
            digits + 1
        } else {
            0
        };
        if digits > 6 {
            let message = "a number in a format string has too many digits";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    }
    Ok(())
}

/// Collects output and fails when it grows past the limit.
#[derive(Default)]
pub struct BoundedOutput {
    bytes: Vec<u8>,
}

impl BoundedOutput {
    pub fn into_string(self) -> String {
        // The engine writes whole strings.
        String::from_utf8(self.bytes).expect("a template writes UTF-8")
    }
}

impl Write for BoundedOutput {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > OUTPUT_BYTES {
            return Err(io::Error::other("the template writes more than 64 MiB"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stack of the thread that compiles grammars. Only what is used becomes memory.
pub const COMPILER_STACK_BYTES: usize = 256 << 20;

/// Depth of brackets in a regular expression or a Lark grammar.
const NESTING: usize = 200;

/// Refuses what is nested too deeply for a compiler that recurses. Brackets in strings count, too.
pub fn check_nesting(source: &str) -> Result<(), String> {
    let mut depth = 0usize;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth > NESTING {
            return Err(format!("brackets are nested more than {NESTING} deep"));
        }
    }
    Ok(())
}
