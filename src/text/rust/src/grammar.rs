//! What an answer may consist of: grammars compiled to masks of allowed tokens, by llguidance.

use std::thread;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher as Inner, ParserFactory};
use serde_json::{json, Value};
use std::sync::Arc;

use crate::limits;
use crate::tokenizer::Tokenizer;

type Result<T> = std::result::Result<T, String>;

/// The tokens of a tokenizer as a trie of their bytes; grammars are compiled against it.
pub struct Vocabulary {
    factory: ParserFactory,
}

impl Vocabulary {
    pub fn new(tokenizer: &Tokenizer, end_tokens: &[u32]) -> Result<Self> {
        let size = tokenizer.vocab_size();
        if end_tokens.is_empty() || end_tokens.iter().any(|&end| end >= size) {
            return Err("the end tokens are not in the vocabulary".to_string());
        }
        let words: Vec<Vec<u8>> = (0..size)
            .map(|id| {
                let bytes = tokenizer.token_bytes(id);
                // A special token is not the text that it is spelled with.
                if tokenizer.is_special(id) || end_tokens.contains(&id) {
                    [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes.as_slice()].concat()
                } else {
                    bytes
                }
            })
            .collect();
        let info = TokRxInfo::new(size, end_tokens[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(end_tokens);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env).map_err(|error| error.to_string())?;
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory })
    }

    /// `grammars` is a JSON array of `{"name": …, KIND: …}` with KIND `json_schema`, `regex` or
    /// `lark`. An answer is the first; Lark refers to others as `@name`.
    pub fn compile(&self, grammars: &str) -> Result<Matcher> {
        let items: Vec<Value> =
            serde_json::from_str(grammars).map_err(|error| error.to_string())?;
        // Compilers of nested things recurse; this stack is deeper than what the limits let in.
        thread::scope(|scope| {
            thread::Builder::new()
                .stack_size(limits::COMPILER_STACK_BYTES)
                .spawn_scoped(scope, || self.compile_items(items))
                .map_err(|error| error.to_string())?
                .join()
                .unwrap_or_else(|_| Err("the grammar is too much for its compiler".to_string()))
        })
    }

    fn compile_items(&self, items: Vec<Value>) -> Result<Matcher> {
        let grammars = items.into_iter().map(grammar).collect::<Result<_>>()?;
        let grammar = TopLevelGrammar {
            grammars,
            max_tokens: None,
        };
        let inner = Inner::new(self.factory.create_parser(grammar));
        match inner.get_error() {
            Some(message) => Err(message),
            None => Ok(Matcher { inner }),
        }
    }
}

fn grammar(mut item: Value) -> Result<GrammarWithLexer> {
    let name = item["name"].as_str().map(str::to_string);
    let mut made = if let Some(schema) = item.get_mut("json_schema") {
        let mut schema = schema.take();
        if let Some(object) = schema.as_object_mut() {
            // Without a bound a model may go on with white space for ever.
            let options = json!({ "whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,64}" });
            object.insert("x-guidance".to_string(), options);
        }
        GrammarWithLexer::from_json_schema(schema)
    } else if let Some(regex) = item["regex"].as_str() {
        limits::check_nesting(regex)?;
        GrammarWithLexer::from_regex(regex)
    } else if let Some(lark) = item["lark"].as_str() {
        limits::check_nesting(lark)?;
        GrammarWithLexer::from_lark(lark.to_string())
    } else {
        return Err("a grammar is a json_schema, a regex or lark".to_string());
    };
    if name.is_some() {
        made.name = name;
    }
    Ok(made)
}

/// One answer under a grammar.
pub struct Matcher {
    inner: Inner,
}

impl Matcher {
    /// Fills in which tokens may come next, bit `id % 32` of word `id / 32`. Where the grammar ends
    /// these are the end tokens alone.
    pub fn mask(&mut self, words: &mut [u32]) -> Result<()> {
        let mask = self
            .inner
            .compute_mask_or_eos()
            .map_err(|error| error.to_string())?;
        words.fill(0);
        for (word, bits) in words.iter_mut().zip(mask.as_slice()) {
            *word = *bits;
        }
        Ok(())
    }

    pub fn accept(&mut self, token: u32) -> Result<()> {
        self.inner
            .consume_token(token)
            .map_err(|error| error.to_string())
    }

    /// Whether nothing may follow.
    pub fn done(&self) -> bool {
        self.inner.is_stopped()
    }

    /// Another answer from the same place on.
    pub fn fork(&self) -> Self {
        Self {
            inner: self.inner.deep_clone(),
        }
    }
}
