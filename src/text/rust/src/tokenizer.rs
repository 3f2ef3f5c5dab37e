//! The tokenizer of a checkpoint: byte-level BPE as Hugging Face runs it.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::{
    Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer,
};

type Result<T> = std::result::Result<T, String>;

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    vocab_size: u32,
}

impl Tokenizer {
    pub fn new(json: &[u8]) -> Result<Self> {
        let mut inner =
            tokenizers::Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        // A padded or truncated prompt would be another prompt.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| error.to_string())?;
        if !matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return Err("its decoder is not ByteLevel".to_string());
        }
        let vocab_size = inner
            .get_vocab(true)
            .values()
            .max()
            .map_or(0, |&last| last + 1);
        Ok(Self { inner, vocab_size })
    }

    pub fn encode(&self, text: &str, parse_special: bool) -> Result<Vec<u32>> {
        if parse_special {
            let encoding = self.inner.encode_fast(text, false);
            return Ok(encoding
                .map_err(|error| error.to_string())?
                .get_ids()
                .to_vec());
        }
        self.encode_plain(text).map_err(|error| error.to_string())
    }

    /// The steps of `encode_fast` less the split at added tokens. The library's own switch,
    /// `encode_special_tokens`, spares only those marked special: `<think>` would still match.
    fn encode_plain(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer.normalize(&mut normalized)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.inner.get_model().tokenize(piece.get()))?;
        let ids = pieces
            .get_splits(OffsetReferential::Original, OffsetType::Byte)
            .into_iter()
            .filter_map(|(_, _, tokens)| tokens.as_ref())
            .flatten()
            .map(|token| token.id)
            .collect();
        Ok(ids)
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|error| error.to_string())
    }

    /// The bytes that `id` adds to a decoded text. `decode` is the lossy reading, as UTF-8, of the
    /// bytes of all ids.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        let Some(token) = self.inner.id_to_token(id) else {
            return Vec::new();
        };
        let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
        bytes.unwrap_or_else(|| token.into_bytes())
    }

    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    pub fn is_special(&self, id: u32) -> bool {
        let added = self.inner.get_added_vocabulary();
        added
            .simple_id_to_token(id)
            .is_some_and(|token| added.is_special_token(&token))
    }
}

/// The byte behind a character of the byte-level alphabet: bytes that print stand for themselves,
/// the 68 others follow from U+0100 in order.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121) as u8 + 0x7F),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::Decoder;

    use super::*;

    #[test]
    fn the_byte_alphabet_is_the_librarys() {
        for code in 0..0x400 {
            let character = char::from_u32(code).unwrap();
            let token = character.to_string();
            let known = ByteLevel::alphabet().contains(&character);
            assert_eq!(byte_of(character).is_some(), known, "U+{code:04X}");
            if let Some(byte) = byte_of(character).filter(u8::is_ascii) {
                let text = ByteLevel::default().decode_chain(vec![token]).unwrap();
                assert_eq!(text[0].as_bytes(), [byte]);
            }
        }
    }
}
