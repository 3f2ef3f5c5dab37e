//! What `transformers` adds to Jinja's environment, and the few of Jinja's own filters and tests
//! that minijinja reads otherwise.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{filters, Environment, Error, ErrorKind, State, Value};

use crate::{json, limits, methods, python};

pub fn install(env: &mut Environment<'static>) {
    env.set_unknown_method_callback(methods::call);
    env.set_formatter(|out, _state, value| {
        python::write_str(out, value).map_err(|_| ErrorKind::WriteFailure.into())
    });
    env.add_function("raise_exception", raise_exception);
    env.add_function("strftime_now", strftime_now);
    env.add_function("cycler", |items: Rest<Value>| {
        minijinja_contrib::globals::cycler(items.0)
    });
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    env.add_filter("tojson", tojson);
    env.add_filter("wordcount", minijinja_contrib::filters::wordcount);
    env.add_filter("format", format);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("items", items);
    env.add_filter("string", |value: &Value| python::str_of(value));
    env.add_filter("trim", |value: &Value, chars: Option<&str>| {
        methods::strip(&python::str_of(value), chars, true, true).to_string()
    });
    // Python strings and dicts are sequences and iterable; undefined iterates as nothing.
    env.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Undefined
        )
    });
    env.add_test("iterable", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::String
                | ValueKind::Seq
                | ValueKind::Map
                | ValueKind::Iterable
                | ValueKind::Undefined
        )
    });
}

/// Marks an error that the template itself asked for, whose message is shown alone.
#[derive(Debug)]
pub struct Raised;

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("raised by the template")
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let message = python::str_of(message);
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
}

fn tojson(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent = match kwargs.get::<Option<Value>>("indent")? {
        None => None,
        Some(text) if text.as_str().is_some() => text.as_str().map(str::to_string),
        Some(count) => Some(" ".repeat(indent_width(&count)?)),
    };
    // With an indent, Python ends lines without the space.
    let mut separators = (
        if indent.is_some() { "," } else { ", " }.to_string(),
        ": ".to_string(),
    );
    if let Some(given) = kwargs.get::<Option<Value>>("separators")? {
        separators = (
            python::str_of(&given.get_item(&Value::from(0))?),
            python::str_of(&given.get_item(&Value::from(1))?),
        );
    }
    let style = json::Style {
        ensure_ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        indent,
        item_separator: separators.0,
        key_separator: separators.1,
        sort_keys: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    kwargs.assert_all_used()?;
    json::dumps(value, &style)
}

fn format(state: &mut State, text: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    limits::check_format(text.as_str().unwrap_or_default())?;
    filters::format(state, text, args)
}

/// Jinja's `int` and `float` give 0 for what is no number, where minijinja wants a default.
fn int(
    state: &State,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Value {
    filters::int(state, value, default, base, kwargs).unwrap_or_else(|_| Value::from(0))
}

fn float(state: &State, value: &Value, default: Option<Value>, kwargs: Kwargs) -> Value {
    filters::float(state, value, default, kwargs).unwrap_or_else(|_| Value::from(0.0))
}

/// Undefined has no items; everything else must be a mapping.
fn items(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    filters::items(value)
}

fn indent_width(count: &Value) -> Result<usize, Error> {
    const MAX_WIDTH: i64 = 64;
    match count.as_i64() {
        Some(width) if width <= MAX_WIDTH => Ok(usize::try_from(width).unwrap_or(0)),
        _ => Err(Error::new(
            ErrorKind::InvalidOperation,
            "tojson: indent must be a string or at most 64",
        )),
    }
}

/// The local time in a format of C's strftime, which is Python's too.
fn strftime_now(format: &str) -> Result<String, Error> {
    let invalid = || Error::new(ErrorKind::InvalidOperation, "strftime_now: invalid format");
    let format = std::ffi::CString::new(format).map_err(|_| invalid())?;
    let mut buffer = [0_u8; 1024];
    // SAFETY: `tm` is plain data that localtime_r fills; strftime writes at most the buffer.
    let size = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut local).is_null() {
            return Err(invalid());
        }
        libc::strftime(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            format.as_ptr(),
            &local,
        )
    };
    Ok(String::from_utf8_lossy(&buffer[..size]).into_owned())
}
