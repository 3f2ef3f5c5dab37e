//! A checkpoint's chat template, rendered as `transformers` renders it.

use std::error::Error as _;

use indexmap::IndexMap;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, Value};
use serde_json::Value as Json;

use crate::builtins::{self, Raised};
use crate::json::to_value;
use crate::limits::{self, BoundedOutput};
use crate::objects::Dict;
use crate::Failure;

pub struct Template {
    env: Environment<'static>,
    name: String,
    special_tokens: Vec<(String, Value)>,
}

/// What to render; all but the flag is JSON.
pub struct Input<'a> {
    pub messages: &'a str,
    pub tools: &'a str,
    pub extra: &'a str,
    pub add_generation_prompt: bool,
}

impl Template {
    pub fn new(name: &str, source: &str, special_tokens: &str) -> Result<Self, Failure> {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|_| AutoEscape::None);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| failure(&error))?;
        env.set_syntax(syntax);
        env.set_recursion_limit(limits::RECURSION);
        env.set_fuel(Some(limits::FUEL));
        builtins::install(&mut env);
        // Jinja reads every line end as \n.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        env.add_template_owned(name.to_string(), without_generation_tags(&source))
            .map_err(|error| failure(&error))?;
        let special_tokens = object("special tokens", special_tokens)?
            .iter()
            .map(|(token, text)| (token.clone(), to_value(text)))
            .collect();
        Ok(Self {
            env,
            name: name.to_string(),
            special_tokens,
        })
    }

    pub fn render(&self, input: &Input) -> Result<String, Failure> {
        let context = self.context(input)?;
        let template = self.env.get_template(&self.name).map_err(|e| failure(&e))?;
        let mut output = BoundedOutput::default();
        template
            .render_captured_to(context, &mut output)
            .map_err(|error| failure(&error))?;
        Ok(output.into_string())
    }

    /// The variables the template sees, from weakest to strongest.
    fn context(&self, input: &Input) -> Result<Value, Failure> {
        let mut variables: IndexMap<String, Value> = self.special_tokens.iter().cloned().collect();
        variables.insert("documents".to_string(), Value::from(()));
        for (name, value) in object("extra", input.extra)? {
            variables.insert(name, to_value(&value));
        }
        let messages = messages(input.messages)?;
        variables.insert("messages".to_string(), to_value(&messages));
        variables.insert("tools".to_string(), to_value(&tools(input.tools)?));
        variables.insert(
            "add_generation_prompt".to_string(),
            Value::from(input.add_generation_prompt),
        );
        Ok(Value::from_object(Dict(variables)))
    }
}

fn parse(what: &str, text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(|error| format!("{what}: not valid JSON: {error}").into())
}

/// An object; an empty text is an empty one.
fn object(what: &str, text: &str) -> Result<serde_json::Map<String, Json>, Failure> {
    if text.is_empty() {
        return Ok(serde_json::Map::new());
    }
    match parse(what, text)? {
        Json::Object(entries) => Ok(entries),
        _ => Err(format!("{what}: not a JSON object").into()),
    }
}

fn messages(text: &str) -> Result<Json, Failure> {
    let Json::Array(items) = parse("messages", text)? else {
        return Err("messages: not a JSON array".to_string().into());
    };
    let items: Result<Vec<Json>, Failure> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| match item {
            Json::Object(message) => Ok(Json::Object(with_reasoning(message))),
            _ => Err(format!("messages[{index}]: not a JSON object").into()),
        })
        .collect();
    Ok(Json::Array(items?))
}

/// A message's reasoning goes by several names; templates read `reasoning_content` or `thinking`.
fn with_reasoning(message: serde_json::Map<String, Json>) -> serde_json::Map<String, Json> {
    let reasoning = ["reasoning_content", "thinking", "reasoning"]
        .iter()
        .find_map(|name| message.get(*name).filter(|value| !value.is_null()))
        .cloned();
    let Some(reasoning) = reasoning else {
        return message;
    };
    let mut named = serde_json::Map::new();
    named.insert("thinking".to_string(), reasoning.clone());
    named.extend(message);
    named.insert("reasoning_content".to_string(), reasoning);
    named
}

fn tools(text: &str) -> Result<Json, Failure> {
    if text.is_empty() {
        return Ok(Json::Null);
    }
    let tools = parse("tools", text)?;
    match &tools {
        Json::Null => Ok(tools),
        Json::Array(items) => match items.iter().position(|item| !item.is_object()) {
            Some(index) => Err(format!("tools[{index}]: not a JSON object").into()),
            None => Ok(tools),
        },
        _ => Err("tools: not a JSON array".to_string().into()),
    }
}

/// `transformers` lets templates mark what the assistant says with `{% generation %}`, which only
/// training reads. `with` has the same scope and prints the same.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inside = &tag[2..end];
        let word = inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replaced = match word {
            "generation" => inside.replace(word, "with"),
            "endgeneration" => inside.replace(word, "endwith"),
            _ => inside.to_string(),
        };
        out.push_str("{%");
        out.push_str(&replaced);
        out.push_str("%}");
        rest = &tag[end + 2..];
    }
    out.push_str(rest);
    out
}

fn failure(error: &minijinja::Error) -> Failure {
    let detail = error.detail().unwrap_or_default();
    let raised = error.source().is_some_and(|source| source.is::<Raised>());
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "the template runs too long".to_string(),
        _ if raised => detail.to_string(),
        ErrorKind::WriteFailure => error
            .source()
            .map_or_else(|| "cannot write".to_string(), |source| source.to_string()),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    };
    Failure {
        message,
        line: error.line().map_or(0, |line| line as u32),
    }
}
