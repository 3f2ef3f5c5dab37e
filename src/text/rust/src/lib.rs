//! Text for hearth: the tokenizers and chat templates of checkpoints, and grammars of answers,
//! behind the C ABI of `hearth_text.h`. Checkpoints and clients are untrusted: what a template or a
//! grammar may spend is bounded (limits.rs).

mod builtins;
mod ffi;
mod grammar;
mod json;
mod limits;
mod methods;
mod objects;
mod python;
mod template;
mod tokenizer;

/// Why a call failed.
pub struct Failure {
    message: String,
    /// In the template, from 1; 0 when unknown.
    line: u32,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, line: 0 }
    }
}
