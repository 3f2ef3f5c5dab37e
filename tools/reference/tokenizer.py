"""A small tokenizer with exactly Qwen's pipeline, and Qwen's chat template."""

import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, trainers

import corpus
from geometry import BASE_VOCAB

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# In Qwen's order. The flag says whether decoding may skip the token.
ADDED_TOKENS = (
    ("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
    ("<|object_ref_start|>", True), ("<|object_ref_end|>", True),
    ("<|box_start|>", True), ("<|box_end|>", True),
    ("<|quad_start|>", True), ("<|quad_end|>", True),
    ("<|vision_start|>", True), ("<|vision_end|>", True), ("<|vision_pad|>", True),
    ("<|image_pad|>", True), ("<|video_pad|>", True),
    ("<tool_call>", False), ("</tool_call>", False),
    ("<|fim_prefix|>", False), ("<|fim_middle|>", False), ("<|fim_suffix|>", False),
    ("<|fim_pad|>", False), ("<|repo_name|>", False), ("<|file_sep|>", False),
    ("<tool_response>", False), ("</tool_response>", False),
    ("<think>", False), ("</think>", False),
)
EOS = "<|im_end|>"
PAD = "<|endoftext|>"

TEMPLATE = pathlib.Path(__file__).with_name("chat_template.jinja")


def train(texts=None, base_vocab=BASE_VOCAB):
    """Trains the BPE on texts (the training text); the result is the same every time."""
    tok = Tokenizer(models.BPE(dropout=None, unk_token=None, continuing_subword_prefix="",
                               end_of_word_suffix="", fuse_unk=False, byte_fallback=False))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=base_vocab, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(texts or corpus.training_texts(), trainer)
    for text, special in ADDED_TOKENS:
        token = AddedToken(text, single_word=False, lstrip=False, rstrip=False,
                           normalized=False, special=special)
        (tok.add_special_tokens if special else tok.add_tokens)([token])
    return tok


def config(tok, template_inside, template=TEMPLATE):
    """tokenizer_config.json as Qwen writes it."""
    decoder = {
        str(tok.token_to_id(text)): {
            "content": text, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": special,
        }
        for text, special in ADDED_TOKENS
    }
    settings = {
        "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder,
        "additional_special_tokens": [t for t, special in ADDED_TOKENS[1:] if special],
        "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": EOS,
        "errors": "replace", "model_max_length": 262144, "pad_token": PAD,
        "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    }
    if template_inside:
        settings["chat_template"] = template.read_text(encoding="utf-8")
    return settings


def write(tok, folder, template_inside, template=TEMPLATE):
    """Writes the tokenizer files of one checkpoint, replacing the exporter's."""
    folder = pathlib.Path(folder)
    for stale in ("chat_template.jinja", "special_tokens_map.json", "added_tokens.json",
                  "vocab.json", "merges.txt"):
        (folder / stale).unlink(missing_ok=True)
    tok.save(str(folder / "tokenizer.json"))
    text = json.dumps(config(tok, template_inside, template), indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    if not template_inside:
        text = template.read_text(encoding="utf-8")
        (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
