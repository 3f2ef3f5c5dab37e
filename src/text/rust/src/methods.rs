//! Methods of Python's `str` that minijinja-contrib lacks or reads by Rust's notion of white space.
//! The rest is minijinja-contrib's.

use minijinja::value::{from_args, Kwargs, Tuple};
use minijinja::{Error, ErrorKind, State, Value};

use crate::limits;
use crate::objects::List;
use crate::python::is_space;

/// Called for a method that the value itself does not have.
pub fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        if method == "format" {
            limits::check_format(text)?;
        }
        if let Some(result) = string_method(text, method, args)? {
            return Ok(result);
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" => Value::from(strip(text, chars_argument(args)?, true, true)),
        "lstrip" => Value::from(strip(text, chars_argument(args)?, true, false)),
        "rstrip" => Value::from(strip(text, chars_argument(args)?, false, true)),
        "split" => split(text, args, false)?,
        "rsplit" => split(text, args, true)?,
        "splitlines" => splitlines(text, args)?,
        "partition" => partition(text, args, false)?,
        "rpartition" => partition(text, args, true)?,
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "isspace" => Value::from(!text.is_empty() && text.chars().all(is_space)),
        "index" => {
            let (what,): (&str,) = from_args(args)?;
            let start = text
                .find(what)
                .ok_or_else(|| invalid("substring not found"))?;
            Value::from(text[..start].chars().count())
        }
        _ => return Ok(None),
    }))
}

fn chars_argument(args: &[Value]) -> Result<Option<&str>, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    Ok(chars)
}

/// Without the characters of `chars` (white space, if None) at the chosen ends.
pub fn strip<'a>(mut text: &'a str, chars: Option<&str>, start: bool, end: bool) -> &'a str {
    let is_cut = |character: char| match chars {
        Some(chars) => chars.contains(character),
        None => is_space(character),
    };
    if start {
        text = text.trim_start_matches(is_cut);
    }
    if end {
        text = text.trim_end_matches(is_cut);
    }
    text
}

/// `split(sep=None, maxsplit=-1)` and `rsplit`.
fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (sep, maxsplit, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let sep = match sep {
        Some(sep) => Some(sep),
        None => kwargs.get::<Option<Value>>("sep")?,
    };
    let maxsplit = match maxsplit {
        Some(count) => count,
        None => kwargs.get::<Option<i64>>("maxsplit")?.unwrap_or(-1),
    };
    kwargs.assert_all_used()?;
    // Python's maxsplit counts cuts, Rust's limit counts pieces; negative means all.
    let pieces = usize::try_from(maxsplit).map_or(usize::MAX, |cuts| cuts.saturating_add(1));
    let Some(sep) = sep.filter(|sep| !sep.is_none()) else {
        return Ok(split_at_space(text, pieces, from_right));
    };
    let sep = sep
        .as_str()
        .ok_or_else(|| invalid("split: the separator must be a string"))?;
    if sep.is_empty() {
        return Err(invalid("split: empty separator"));
    }
    Ok(if from_right {
        let mut parts: Vec<&str> = text.rsplitn(pieces, sep).collect();
        parts.reverse();
        list(&parts)
    } else {
        list(&text.splitn(pieces, sep).collect::<Vec<_>>())
    })
}

/// The piece that remains when no cut is left keeps the white space at its far end, as in Python.
fn split_at_space(text: &str, pieces: usize, from_right: bool) -> Value {
    let mut parts = Vec::new();
    let mut rest = strip(text, None, !from_right, from_right);
    while !rest.is_empty() {
        let cut = if from_right {
            rest.rfind(is_space)
        } else {
            rest.find(is_space)
        };
        match cut {
            Some(cut) if parts.len() + 1 < pieces => {
                let space = rest[cut..].chars().next().map_or(0, char::len_utf8);
                let (before, after) = (&rest[..cut], &rest[cut + space..]);
                parts.push(if from_right { after } else { before });
                rest = if from_right { before } else { after };
                rest = strip(rest, None, !from_right, from_right);
            }
            _ => {
                parts.push(rest);
                break;
            }
        }
    }
    if from_right {
        parts.reverse();
    }
    list(&parts)
}

/// Python's line ends: more than Rust's.
fn splitlines(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (keepends, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
    let keepends = match keepends {
        Some(keep) => keep,
        None => kwargs.get::<Option<bool>>("keepends")?.unwrap_or(false),
    };
    kwargs.assert_all_used()?;
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let content = rest.find(is_end).unwrap_or(rest.len());
        let end = match rest[content..].chars().next() {
            Some('\r') if rest[content..].starts_with("\r\n") => content + 2,
            Some(character) => content + character.len_utf8(),
            None => content,
        };
        lines.push(&rest[..if keepends { end } else { content }]);
        rest = &rest[end..];
    }
    Ok(list(&lines))
}

fn partition(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (sep,): (&str,) = from_args(args)?;
    if sep.is_empty() {
        return Err(invalid("partition: empty separator"));
    }
    let cut = if from_right {
        text.rsplit_once(sep)
    } else {
        text.split_once(sep)
    };
    let parts = match cut {
        Some((before, after)) => [before, sep, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

fn list(parts: &[&str]) -> Value {
    Value::from_object(List(parts.iter().map(|&part| Value::from(part)).collect()))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.to_string())
}
