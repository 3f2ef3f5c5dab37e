//! Values as Python spells them: what `str()` and `repr()` give for what a template can hold.

use std::fmt::{self, Write};

use minijinja::value::ValueKind;
use minijinja::Value;

/// Python's `str.isspace` for one character: Unicode's white space and four control characters.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

pub fn str_of(value: &Value) -> String {
    let mut out = String::new();
    write_str(&mut out, value).expect("a String takes all");
    out
}

pub fn write_str(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None => write_repr(out, value),
    }
}

pub fn write_repr(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.kind() {
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => {
            let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
            out.write_str(&float_repr(number))
        }
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => write_items(
            out,
            value,
            "(",
            if value.len() == Some(1) { ",)" } else { ")" },
        ),
        ValueKind::Seq | ValueKind::Iterable => write_items(out, value, "[", "]"),
        ValueKind::Map => write_map(out, value),
        _ => write!(out, "{value}"),
    }
}

fn write_items(out: &mut dyn Write, value: &Value, open: &str, close: &str) -> fmt::Result {
    out.write_str(open)?;
    for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write_repr(out, &item)?;
    }
    out.write_str(close)
}

fn write_map(out: &mut dyn Write, value: &Value) -> fmt::Result {
    out.write_char('{')?;
    for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write_repr(out, &key)?;
        out.write_str(": ")?;
        write_repr(out, &value.get_item(&key).unwrap_or_default())?;
    }
    out.write_char('}')
}

/// The shortest digits that read back as the same number.
pub fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    // Debug switches to exponents where Python does, but writes 1e16 for 1e+16.
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().expect("an exponent is a number");
            format!("{mantissa}e{exponent:+03}")
        }
        None => text,
    }
}

fn write_quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.write_char(quote)?;
    for character in text.chars() {
        match character {
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\\' => out.write_str("\\\\")?,
            _ if character == quote => write!(out, "\\{character}")?,
            _ if is_printable(character) => out.write_char(character)?,
            _ => match u32::from(character) {
                code @ ..=0xFF => write!(out, "\\x{code:02x}")?,
                code @ ..=0xFFFF => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
        }
    }
    out.write_char(quote)
}

/// Python's `str.isprintable`: no control, format, unassigned or private character, no separator
/// but the space. Rust escapes the same ones, and a combining mark only at the start of a string.
fn is_printable(character: char) -> bool {
    matches!(character, '"' | '\'')
        || ['a', character]
            .iter()
            .collect::<String>()
            .escape_debug()
            .nth(1)
            == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_in_python() {
        let cases = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-5, "1.5e-05"),
            (-1e300, "-1e+300"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "inf"),
        ];
        for (number, text) in cases {
            assert_eq!(float_repr(number), text);
        }
    }

    #[test]
    fn strings_are_quoted_as_in_python() {
        let cases = [
            ("plain", "'plain'"),
            ("it's", "\"it's\""),
            ("it's \"so\"", "'it\\'s \"so\"'"),
            ("a\nb\\\u{7f}\u{ad}", "'a\\nb\\\\\\x7f\\xad'"),
            ("e\u{301}\u{200b}\u{1f600}", "'e\u{301}\\u200b\u{1f600}'"),
        ];
        for (text, quoted) in cases {
            let mut out = String::new();
            write_quoted(&mut out, text).unwrap();
            assert_eq!(out, quoted);
        }
    }
}
