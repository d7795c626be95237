#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tokenizer.json files and what they make of random texts, by Hugging Face's package `tokenizers`, for tests/text/published.cpp.

    tests/text/make_cases.py FOLDER [TEXTS] [SEED]     the committed ones: tests/text/cases 20 1
"""
import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SEEDS = """The king said: it's we'll don't I'VE gone, haven't you? 12 345 6789 times; x = y + 1;  two  spaces
   indented\tand tabbed\r\nnew line\n\n\nthree. naïve café Ωmega мир 中文字 日本語 한국어 😀👍🏽 ½ ² Ⅳ ٣ ﬁ ß ſ 's 'S 'LL 're\u00a0nbsp\u2003em\u3000wide
The cat sat on the mat and the dog sat on the cat. she sells sea shells; the end."""
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace("{1,3}", "")
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def trained(tokenizer, size, special=(), alphabet=None):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False,
                                  initial_alphabet=alphabet if alphabet is not None else pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([SEEDS] * 2, trainer)
    return tokenizer


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return trained(t, 330, ["<|endoftext|>"])


def gpt2_prefix():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
    return trained(t, 330)


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    trained(t, 330)
    t.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", AddedToken("<|eot|>", lstrip=True, rstrip=True)])
    t.add_tokens([AddedToken("sat on", normalized=False), AddedToken("sat on the", normalized=True)])
    begin = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B", special_tokens=[("<|begin_of_text|>", begin)])])
    return t


def qwen():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "removed", invert=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return trained(t, 330, ["<|im_start|>", "<|im_end|>"])


def starcoder():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    return trained(t, 330, ["<|endoftext|>"])


def sentencepiece(normalised=True):
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if normalised:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=True)
        t.decoder = decoders.Sequence([decoders.Metaspace("▁", prepend_scheme="first"), decoders.ByteFallback()])
    trained(t, 420, ["<unk>", "<s>", "</s>"] + BYTES, alphabet=[])
    model = json.loads(t.to_str())
    model["added_tokens"] = [a for a in model["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(model))
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return t


def gemma():
    t = Tokenizer(models.BPE(byte_fallback=False, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_previous")
    t.decoder = decoders.Replace("▁", " ")
    return trained(t, 200, ["<unk>"], alphabet=[])


KINDS = {"gpt2": gpt2, "gpt2_prefix": gpt2_prefix, "llama3": llama3, "qwen": qwen, "starcoder": starcoder, "sentencepiece": sentencepiece,
         "metaspace": lambda: sentencepiece(False), "gemma": gemma}
SPECIAL = ["<|endoftext|>", "<|eot|>", "<|begin_of_text|>", "<|im_start|>", "<s>", "</s>", "<unk>", "sat on", "sat on the", "<0x41>", "▁"]


def random_text(r, composed):
    parts = []
    for _ in range(r.randrange(1, 14)):
        kind = r.randrange(7)
        if kind < 3:
            a = r.randrange(len(SEEDS))
            parts.append(SEEDS[a:a + r.randrange(1, 12)])
        elif kind == 3:
            parts.append(r.choice([" ", "  ", "\n", " \n ", "\t", "\r\n", "\n\n", "'s", "'VE ", "\u00a0", "\u2003x"]))
        elif kind == 4:
            parts.append(r.choice(SPECIAL))
        elif kind == 5:
            parts.append(str(r.randrange(100000)))
        else:
            while True:
                c = chr(r.choice([r.randrange(0x20, 0x250), r.randrange(0x250, 0x3000), r.randrange(0x3000, 0x11000), r.randrange(0x1f300, 0x1fb00)]))
                if unicodedata.category(c) not in ("Cn", "Cs", "Co"):
                    break
            parts.append(c)
    text = "".join(parts)
    if composed and (unicodedata.normalize("NFC", text) != text or any(unicodedata.combining(c) for c in text)
                     or any(0x1161 <= ord(c) < 0x1200 for c in text)):
        return random_text(r, composed)
    return text


def main():
    folder, count, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in KINDS.items():
        t, r = make(), random.Random(f"{name} {seed}")
        written = t.to_str()
        if name in ("gpt2_prefix", "starcoder"):  # the older spelling of merges
            old = json.loads(written)
            old["model"]["merges"] = [" ".join(m) for m in old["model"]["merges"]]
            written = json.dumps(old, ensure_ascii=False, separators=(",", ":"))
            t = Tokenizer.from_str(written)
        (folder / f"{name}.json").write_text(written + "\n", encoding="utf8")
        cases = []
        for text in [""] + [random_text(r, name == "qwen") for _ in range(count)]:
            ids = t.encode(text).ids
            cases.append({"text": text, "ids": ids, "bare": t.encode(text, add_special_tokens=False).ids, "decoded": t.decode(ids)})
        for _ in range(count // 4):  # tokens at random
            ids = [r.randrange(t.get_vocab_size()) for _ in range(r.randrange(1, 12))]
            cases.append({"ids": ids, "decoded": t.decode(ids)})
        (folder / f"{name}.cases.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf8")


main()
