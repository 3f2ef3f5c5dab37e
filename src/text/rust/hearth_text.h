// The C face of the Rust library hearth-text: Hugging Face's `tokenizers`, `minijinja` set up to
// render chat templates as `transformers` does, and `llguidance` for grammars of answers.
//
// Strings are UTF-8 with a length; ill-formed input is read with U+FFFD in place of each ill-formed
// part. Functions that can fail return false and fill `error`. No panic crosses this border: a bug
// in the library becomes an error too. Handles may be used by several threads at once,
// except a matcher.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {

/// Owned by the caller, who gives it to hearth_text_free_bytes.
typedef struct {
  char* data;
  size_t size;
} hearth_text_bytes;

/// Owned by the caller, who gives it to hearth_text_free_ids.
typedef struct {
  int32_t* data;
  size_t size;
} hearth_text_ids;

/// Filled by a function that fails, and only then; the caller frees `message`.
typedef struct {
  hearth_text_bytes message;
  uint32_t line;  // in the template, from 1; 0 when unknown
} hearth_text_error;

void hearth_text_free_bytes(hearth_text_bytes bytes);
void hearth_text_free_ids(hearth_text_ids ids);

typedef struct hearth_tokenizer hearth_tokenizer;

/// From the content of a tokenizer.json; its decoder must be ByteLevel. NULL: failed.
hearth_tokenizer* hearth_tokenizer_new(const char* json, size_t json_size,
                                       hearth_text_error* error);
void hearth_tokenizer_free(hearth_tokenizer* tokenizer);

/// Adds no BOS and the like. Without `parse_special`, text that spells an added token is plain.
bool hearth_tokenizer_encode(const hearth_tokenizer* tokenizer, const char* text, size_t text_size,
                             bool parse_special, hearth_text_ids* ids, hearth_text_error* error);

/// Ids outside the vocabulary are left out.
bool hearth_tokenizer_decode(const hearth_tokenizer* tokenizer, const int32_t* ids, size_t count,
                             bool skip_special, hearth_text_bytes* text, hearth_text_error* error);

/// The bytes an id stands for; they may hold a part of a code point. None: outside the vocabulary.
bool hearth_tokenizer_token_bytes(const hearth_tokenizer* tokenizer, int32_t id,
                                  hearth_text_bytes* bytes, hearth_text_error* error);

/// One more than the largest id.
int64_t hearth_tokenizer_vocab_size(const hearth_tokenizer* tokenizer);
/// The id of a token as tokenizer.json spells it; -1: none.
int32_t hearth_tokenizer_token_id(const hearth_tokenizer* tokenizer, const char* token,
                                  size_t token_size);
bool hearth_tokenizer_is_special(const hearth_tokenizer* tokenizer, int32_t id);

typedef struct hearth_template hearth_template;

/// Compiles a template. `name` is for messages; `special_tokens_json` is an object whose entries
/// the template sees as variables. NULL: failed.
hearth_template* hearth_template_new(const char* name, size_t name_size, const char* source,
                                     size_t source_size, const char* special_tokens_json,
                                     size_t special_tokens_json_size, hearth_text_error* error);
void hearth_template_free(hearth_template* chat_template);

/// What a template is rendered with; each part is JSON. Empty `tools` are None, `extra` is {}.
typedef struct {
  const char* messages;
  size_t messages_size;
  const char* tools;
  size_t tools_size;
  const char* extra;  // an object; its entries go before the special tokens
  size_t extra_size;
  bool add_generation_prompt;
} hearth_template_input;

bool hearth_template_render(const hearth_template* chat_template,
                            const hearth_template_input* input, hearth_text_bytes* text,
                            hearth_text_error* error);

typedef struct hearth_vocabulary hearth_vocabulary;

/// The tokens of a tokenizer, for grammars. `end_tokens` end an answer; there is at least one.
/// Takes a second or two for large vocabularies. NULL: failed.
hearth_vocabulary* hearth_vocabulary_new(const hearth_tokenizer* tokenizer,
                                         const int32_t* end_tokens, size_t count,
                                         hearth_text_error* error);
void hearth_vocabulary_free(hearth_vocabulary* vocabulary);

/// One answer under a grammar.
typedef struct hearth_matcher hearth_matcher;

/// Compiles `grammars`, a JSON array of {"name", and "json_schema", "regex" or "lark"} each. An
/// answer is the first; Lark refers to others as @name. NULL: failed.
hearth_matcher* hearth_matcher_new(const hearth_vocabulary* vocabulary, const char* grammars,
                                   size_t grammars_size, hearth_text_error* error);
/// Another answer, from the same place on. NULL: failed.
hearth_matcher* hearth_matcher_fork(const hearth_matcher* matcher, hearth_text_error* error);
void hearth_matcher_free(hearth_matcher* matcher);

/// Fills in which tokens may come next, bit `id % 32` of word `id / 32`; the end tokens alone where
/// the grammar ends.
bool hearth_matcher_mask(hearth_matcher* matcher, uint32_t* words, size_t count,
                         hearth_text_error* error);
/// The token that came. It must be one of the mask.
bool hearth_matcher_accept(hearth_matcher* matcher, int32_t token, hearth_text_error* error);
/// Whether nothing but an end token may follow.
bool hearth_matcher_done(const hearth_matcher* matcher);

}  // extern "C"
