//! The C ABI of hearth_text.h: pointers and lengths in, owned buffers out, and no panic beyond.

use std::borrow::Cow;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::grammar::{Matcher, Vocabulary};
use crate::template::{Input, Template};
use crate::tokenizer::Tokenizer;
use crate::Failure;

/// A buffer given to the caller; `Box<[T]>` in two words.
#[repr(C)]
pub struct Buffer<T> {
    data: *mut T,
    size: usize,
}

impl<T> Buffer<T> {
    fn give(items: Vec<T>) -> Self {
        let items = Box::leak(items.into_boxed_slice());
        Self {
            data: items.as_mut_ptr(),
            size: items.len(),
        }
    }

    /// # Safety
    /// `self` came from `give` and is taken back once, or is null.
    unsafe fn take(self) {
        if !self.data.is_null() {
            let items = std::ptr::slice_from_raw_parts_mut(self.data, self.size);
            drop(unsafe { Box::from_raw(items) });
        }
    }
}

#[repr(C)]
pub struct FfiError {
    message: Buffer<u8>,
    line: u32,
}

/// Runs `body`; its failure or panic goes to `error`.
fn guard<T>(error: *mut FfiError, body: impl FnOnce() -> Result<T, Failure>) -> Option<T> {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Failure::from(format!(
            "internal error of the text library: {text}"
        )))
    });
    match outcome {
        Ok(value) => Some(value),
        Err(failure) => {
            let failure = FfiError {
                message: Buffer::give(failure.message.into_bytes()),
                line: failure.line,
            };
            // SAFETY: the caller passes a place for the error.
            unsafe { error.write(failure) };
            None
        }
    }
}

/// # Safety
/// `data` points to `size` items that outlive `'a`; it may be null when `size` is 0.
unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(data, size) }
}

/// # Safety
/// As for `slice`.
unsafe fn text<'a>(data: *const u8, size: usize) -> Cow<'a, str> {
    String::from_utf8_lossy(unsafe { slice(data, size) })
}

// Safety of all that follows: pointers and sizes are as hearth_text.h says.

#[no_mangle]
pub unsafe extern "C" fn hearth_text_free_bytes(bytes: Buffer<u8>) {
    unsafe { bytes.take() }
}

#[no_mangle]
pub unsafe extern "C" fn hearth_text_free_ids(ids: Buffer<i32>) {
    unsafe { ids.take() }
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_new(
    json: *const u8,
    json_size: usize,
    error: *mut FfiError,
) -> *mut Tokenizer {
    let made = guard(error, || {
        Ok(Tokenizer::new(unsafe { slice(json, json_size) })?)
    });
    made.map_or(std::ptr::null_mut(), |tokenizer| {
        Box::into_raw(Box::new(tokenizer))
    })
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(unsafe { Box::from_raw(tokenizer) });
    }
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_encode(
    tokenizer: &Tokenizer,
    data: *const u8,
    size: usize,
    parse_special: bool,
    out: *mut Buffer<i32>,
    error: *mut FfiError,
) -> bool {
    let ids = guard(error, || {
        let ids = tokenizer.encode(&unsafe { text(data, size) }, parse_special)?;
        Ok(ids.into_iter().map(|id| id as i32).collect())
    });
    ids.map(|ids| unsafe { out.write(Buffer::give(ids)) })
        .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_decode(
    tokenizer: &Tokenizer,
    ids: *const i32,
    count: usize,
    skip_special: bool,
    out: *mut Buffer<u8>,
    error: *mut FfiError,
) -> bool {
    let decoded = guard(error, || {
        // A negative id becomes one far outside the vocabulary.
        let ids: Vec<u32> = unsafe { slice(ids, count) }
            .iter()
            .map(|&id| id as u32)
            .collect();
        Ok(tokenizer.decode(&ids, skip_special)?)
    });
    decoded
        .map(|text| unsafe { out.write(Buffer::give(text.into_bytes())) })
        .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_token_bytes(
    tokenizer: &Tokenizer,
    id: i32,
    out: *mut Buffer<u8>,
    error: *mut FfiError,
) -> bool {
    guard(error, || Ok(tokenizer.token_bytes(id as u32)))
        .map(|bytes| unsafe { out.write(Buffer::give(bytes)) })
        .is_some()
}

#[no_mangle]
pub extern "C" fn hearth_tokenizer_vocab_size(tokenizer: &Tokenizer) -> i64 {
    i64::from(tokenizer.vocab_size())
}

#[no_mangle]
pub unsafe extern "C" fn hearth_tokenizer_token_id(
    tokenizer: &Tokenizer,
    token: *const u8,
    token_size: usize,
) -> i32 {
    let token = unsafe { text(token, token_size) };
    tokenizer.token_id(&token).map_or(-1, |id| id as i32)
}

#[no_mangle]
pub extern "C" fn hearth_tokenizer_is_special(tokenizer: &Tokenizer, id: i32) -> bool {
    tokenizer.is_special(id as u32)
}

#[no_mangle]
pub unsafe extern "C" fn hearth_template_new(
    name: *const u8,
    name_size: usize,
    source: *const u8,
    source_size: usize,
    special_tokens: *const u8,
    special_tokens_size: usize,
    error: *mut FfiError,
) -> *mut Template {
    let made = guard(error, || {
        Template::new(
            &unsafe { text(name, name_size) },
            &unsafe { text(source, source_size) },
            &unsafe { text(special_tokens, special_tokens_size) },
        )
    });
    made.map_or(std::ptr::null_mut(), |template| {
        Box::into_raw(Box::new(template))
    })
}

#[no_mangle]
pub unsafe extern "C" fn hearth_template_free(template: *mut Template) {
    if !template.is_null() {
        drop(unsafe { Box::from_raw(template) });
    }
}

#[repr(C)]
pub struct FfiTemplateInput {
    messages: *const u8,
    messages_size: usize,
    tools: *const u8,
    tools_size: usize,
    extra: *const u8,
    extra_size: usize,
    add_generation_prompt: bool,
}

#[no_mangle]
pub unsafe extern "C" fn hearth_template_render(
    template: &Template,
    input: &FfiTemplateInput,
    out: *mut Buffer<u8>,
    error: *mut FfiError,
) -> bool {
    let rendered = guard(error, || {
        template.render(&Input {
            messages: &unsafe { text(input.messages, input.messages_size) },
            tools: &unsafe { text(input.tools, input.tools_size) },
            extra: &unsafe { text(input.extra, input.extra_size) },
            add_generation_prompt: input.add_generation_prompt,
        })
    });
    rendered
        .map(|text| unsafe { out.write(Buffer::give(text.into_bytes())) })
        .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn hearth_vocabulary_new(
    tokenizer: &Tokenizer,
    end_tokens: *const i32,
    count: usize,
    error: *mut FfiError,
) -> *mut Vocabulary {
    let made = guard(error, || {
        let ends: Vec<u32> = unsafe { slice(end_tokens, count) }
            .iter()
            .map(|&id| id as u32)
            .collect();
        Ok(Vocabulary::new(tokenizer, &ends)?)
    });
    made.map_or(std::ptr::null_mut(), |vocabulary| {
        Box::into_raw(Box::new(vocabulary))
    })
}

#[no_mangle]
pub unsafe extern "C" fn hearth_vocabulary_free(vocabulary: *mut Vocabulary) {
    if !vocabulary.is_null() {
        drop(unsafe { Box::from_raw(vocabulary) });
    }
}

#[no_mangle]
pub unsafe extern "C" fn hearth_matcher_new(
    vocabulary: &Vocabulary,
    grammars: *const u8,
    grammars_size: usize,
    error: *mut FfiError,
) -> *mut Matcher {
    let made = guard(error, || {
        Ok(vocabulary.compile(&unsafe { text(grammars, grammars_size) })?)
    });
    made.map_or(std::ptr::null_mut(), |matcher| {
        Box::into_raw(Box::new(matcher))
    })
}

#[no_mangle]
pub unsafe extern "C" fn hearth_matcher_fork(
    matcher: &Matcher,
    error: *mut FfiError,
) -> *mut Matcher {
    let made = guard(error, || Ok(matcher.fork()));
    made.map_or(std::ptr::null_mut(), |matcher| {
        Box::into_raw(Box::new(matcher))
    })
}

#[no_mangle]
pub unsafe extern "C" fn hearth_matcher_free(matcher: *mut Matcher) {
    if !matcher.is_null() {
        drop(unsafe { Box::from_raw(matcher) });
    }
}

#[no_mangle]
pub unsafe extern "C" fn hearth_matcher_mask(
    matcher: &mut Matcher,
    words: *mut u32,
    count: usize,
    error: *mut FfiError,
) -> bool {
    guard(error, || {
        // SAFETY: the caller owns `count` words.
        Ok(matcher.mask(unsafe { std::slice::from_raw_parts_mut(words, count) })?)
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn hearth_matcher_accept(
    matcher: &mut Matcher,
    token: i32,
    error: *mut FfiError,
) -> bool {
    guard(error, || Ok(matcher.accept(token as u32)?)).is_some()
}

#[no_mangle]
pub extern "C" fn hearth_matcher_done(matcher: &Matcher) -> bool {
    matcher.done()
}
