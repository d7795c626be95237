#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prefill and decode of published models beside PyTorch of the same weights (transformers), in tokens per second: a prompt of random tokens at
once, then greedy tokens one by one with states or a cache. Rounds take turns, so that other work on the machine meets both; each figure is of the
best round and, after a bar, of the median one. A round is the best of three of each, ours in a process of its own.

    python3 bench/generate.py MODEL... [--program=build/release/examples/generate] [--threads=2] [--prompt=256] [--tokens=128] [--rounds=5]
        [--device=cuda: of both, with build/release/examples/generate_cuda]

A MODEL is a folder with config.json, or stories260K.safetensors (llama2.c's names, which become transformers' Llama). The first greedy tokens of
both have to agree.
"""
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

try:
    import torch
    import transformers
    from safetensors import safe_open
except ImportError as missing:
    print(f"skipped: python3 has no {missing.name}")
    sys.exit(0)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
warnings.filterwarnings("ignore")


def option(name, otherwise):
    return next((a.split("=", 1)[1] for a in sys.argv[1:] if a.startswith(f"--{name}=")), otherwise)


PROGRAM, THREADS = option("program", "build/release/examples/generate"), int(option("threads", "2"))
DEVICE = option("device", "cpu")
PROMPT, TOKENS, ROUNDS = int(option("prompt", "256")), int(option("tokens", "128")), int(option("rounds", "5"))


def stories(path):
    """llama2.c's weights in transformers' Llama, whose RoPE turns channel m with m + n/2: rows of q and k change places."""
    with safe_open(path, "pt") as f:
        c, w = json.loads(f.metadata()["config"]), {k: f.get_tensor(k) for k in f.keys()}
    dim, heads, kv = c["dim"], c["n_heads"], c["n_kv_heads"]
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=c["vocab_size"], hidden_size=dim, intermediate_size=c["hidden_dim"], num_hidden_layers=c["n_layers"], num_attention_heads=heads,
        num_key_value_heads=kv, rms_norm_eps=1e-5, tie_word_embeddings=True, max_position_embeddings=c["max_seq_len"]))

    def halves(x, h):
        return x.view(h, dim // heads // 2, 2, dim).transpose(1, 2).reshape(x.shape)

    to = {"model.embed_tokens.weight": w["tok_embeddings.weight"], "lm_head.weight": w["tok_embeddings.weight"], "model.norm.weight": w["norm.weight"]}
    for i in range(c["n_layers"]):
        a, b = f"layers.{i}.", f"model.layers.{i}."
        to |= {b + "input_layernorm.weight": w[a + "attention_norm.weight"], b + "post_attention_layernorm.weight": w[a + "ffn_norm.weight"],
               b + "self_attn.q_proj.weight": halves(w[a + "attention.wq.weight"], heads),
               b + "self_attn.k_proj.weight": halves(w[a + "attention.wk.weight"], kv),
               b + "self_attn.v_proj.weight": w[a + "attention.wv.weight"], b + "self_attn.o_proj.weight": w[a + "attention.wo.weight"],
               b + "mlp.gate_proj.weight": w[a + "feed_forward.w1.weight"], b + "mlp.down_proj.weight": w[a + "feed_forward.w2.weight"],
               b + "mlp.up_proj.weight": w[a + "feed_forward.w3.weight"]}
    model.load_state_dict(to)
    return model


def before(model):
    """A cache that transformers does not make aright itself: xLSTM's of keys that are narrower than values."""
    if model.config.model_type != "xlstm":
        return {}
    cache = transformers.models.xlstm.modeling_xlstm.xLSTMCache(model.config, 1, dtype=torch.float32)
    q = next(m for name, m in model.named_modules() if name.endswith("mlstm_layer.q"))
    n = q.out_features // model.config.num_heads
    cache.rnn_state = {i: (C[:, :, :n].contiguous(), k[..., :n].contiguous(), m) for i, (C, k, m) in cache.rnn_state.items()}
    return {"cache_params": cache}


@torch.inference_mode()
def theirs(model, ids):
    """Seconds of the prompt and of the tokens, and the tokens."""
    first = before(model)
    prompt, wait = torch.tensor([ids], device=DEVICE), torch.cuda.synchronize if DEVICE == "cuda" else lambda: None
    wait()
    begun, out = time.perf_counter(), model(prompt, use_cache=True, **first)
    wait()
    prefill, made, begun = time.perf_counter() - begun, [], time.perf_counter()
    for i in range(TOKENS):
        made.append(int(out.logits[0, -1].argmax()))
        if i + 1 < TOKENS:
            kept = {k: out[k] for k in ("past_key_values", "cache_params", "state") if out.get(k) is not None}
            out = model(torch.tensor([made[-1:]], device=DEVICE), use_cache=True, **kept)
    return prefill, time.perf_counter() - begun, made


def least(runs):
    prefill, decode, made = zip(*runs)
    return min(prefill), min(decode), made[0]


def ours(path, ids):
    with tempfile.TemporaryDirectory() as folder:
        prompt = pathlib.Path(folder) / "prompt"
        prompt.write_text(" ".join(map(str, ids)))
        run = subprocess.run([PROGRAM, path, "--tokenizer=ids", f"--prompt-file={prompt}", "--greedy", "--keep-going", f"--tokens={TOKENS}",
                              f"--threads={THREADS}", "--rounds=3", f"--device={DEVICE}"], capture_output=True, text=True, check=True, env={"GOMP_SPINCOUNT": "10000"} | os.environ)
    seconds = {k: int(n) / float(rate) for k, n, rate in re.findall(r"(prefill|decode): (\d+) tokens in [\d.]+ s, ([\d.]+) tokens/s", run.stderr)}
    return seconds["prefill"], seconds["decode"], [int(t) for t in run.stdout.split()]


def main():
    torch.set_num_threads(THREADS)
    where = DEVICE if DEVICE != "cpu" else f"{THREADS} threads"
    print(f"{'tokens/s, ' + where:22s}" + "".join(f" {w:>15s} {'PyTorch':>15s} {'ratio':>11s}" for w in ("prefill", "decode")))
    for path in (a for a in sys.argv[1:] if not a.startswith("--")):
        model = (transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) if os.path.isdir(path) else stories(path)).eval().to(DEVICE)
        r = random.Random(1)
        ids = [r.randrange(model.config.vocab_size) for _ in range(PROMPT)]
        rounds = [(ours(path, ids), least(theirs(model, ids) for _ in range(3))) for _ in range(ROUNDS)]
        if rounds[0][0][2][:8] != rounds[0][1][2][:8]:
            print(f"{pathlib.Path(path).name}: other tokens than PyTorch's: {rounds[0][0][2][:8]} beside {rounds[0][1][2][:8]}")
            continue
        row = f"{pathlib.Path(path).name:22s}"
        for what, count in ((0, PROMPT), (1, TOKENS)):
            (a, am), (b, bm) = ([count / f([x[side][what] for x in rounds]) for f in (min, statistics.median)] for side in (0, 1))
            row += f" {a:7.0f}|{am:7.0f} {b:7.0f}|{bm:7.0f} {a / b:5.2f}|{am / bm:5.2f}"
        print(row, flush=True)


main()
