"""Compares a float64 numpy transcription of the model with the golden data.

    python tools/reference/transcription.py [NAME ...]

The transcription follows the written specification, step by step and token by
token, and shares no code with transformers, so agreement validates both.
"""

import pathlib
import sys

import numpy as np

import dequantise

TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


class Model:
    """The forward pass over plain matrices."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = {n: t.double().numpy() for n, t in weights.items()}

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T

    def norm(self, x, name):
        """The zero-centred RMS norm."""
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"])
        return x * scale * (1 + self.weights[name + ".weight"])

    def mlp(self, x, p):
        return self.linear(silu(self.linear(x, p + "gate_proj")) * self.linear(x, p + "up_proj"),
                           p + "down_proj")

    def moe(self, x, p):
        scores = self.linear(x, p + "gate")
        out = sigmoid(self.linear(x, p + "shared_expert_gate")) * self.mlp(x, p + "shared_expert.")
        for t, row in enumerate(scores):
            chosen = np.argsort(-row, kind="stable")[: self.config["num_experts_per_tok"]]
            share = np.exp(row[chosen] - row[chosen].max())
            for expert, w in zip(chosen, share / share.sum()):
                out[t] += w * self.mlp(x[t], f"{p}experts.{expert}.")
        return out

    def rotate(self, x):
        """Rotary embedding of the first dimensions; x is [T, heads, dim]."""
        rope = self.config["rope_parameters"]
        dims = int(self.config["head_dim"] * rope["partial_rotary_factor"])
        half = dims // 2
        angle = np.arange(len(x))[:, None] * rope["rope_theta"] ** (-2 * np.arange(half) / dims)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        a, b = x[..., :half], x[..., half:dims]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., dims:]], -1)

    def attention(self, x, p):
        c, count = self.config, len(x)
        heads, kv_heads, dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        both = self.linear(x, p + "q_proj").reshape(count, heads, 2 * dim)
        k = self.linear(x, p + "k_proj").reshape(count, kv_heads, dim)
        v = self.linear(x, p + "v_proj").reshape(count, kv_heads, dim)
        q = self.rotate(self.norm(both[..., :dim], p + "q_norm"))
        k = self.rotate(self.norm(k, p + "k_norm"))
        out = np.zeros_like(q)
        for h in range(heads):
            g = h // (heads // kv_heads)
            scores = np.where(np.tri(count) > 0, q[:, h] @ k[:, g].T / np.sqrt(dim), -np.inf)
            share = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, h] = share / share.sum(-1, keepdims=True) @ v[:, g]
        return self.linear((out * sigmoid(both[..., dim:])).reshape(count, -1), p + "o_proj")

    def delta_inputs(self, x, p):
        """q, k, v (after the convolution), the gate z, and the raw b and a."""
        c, count = self.config, len(x)
        kh, vh = c["linear_num_key_heads"], c["linear_num_value_heads"]
        dk, dv, r = c["linear_key_head_dim"], c["linear_value_head_dim"], vh // kh
        mixed = self.linear(x, p + "in_proj_qkvz").reshape(count, kh, 2 * dk + 2 * r * dv)
        ba = self.linear(x, p + "in_proj_ba").reshape(count, kh, 2 * r)
        cuts = np.split(mixed, [dk, 2 * dk, 2 * dk + r * dv], axis=-1)
        u = np.concatenate([part.reshape(count, -1) for part in cuts[:3]], 1)
        taps = self.weights[p + "conv1d.weight"][:, 0]
        width = taps.shape[1]
        padded = np.concatenate([np.zeros((width - 1, u.shape[1])), u])
        u = silu(sum(padded[j : j + count] * taps[:, j] for j in range(width)))
        q, k, v = np.split(u, [kh * dk, 2 * kh * dk], axis=1)
        return (q.reshape(count, kh, dk), k.reshape(count, kh, dk), v.reshape(count, vh, dv),
                cuts[3].reshape(count, vh, dv), ba[..., :r].reshape(count, vh),
                ba[..., r:].reshape(count, vh))

    def delta_net(self, x, p):
        q, k, v, z, b, a = self.delta_inputs(x, p)
        count, vh, dv = v.shape
        repeat = vh // q.shape[1]

        def unit(t):
            return t / np.sqrt((t * t).sum(-1, keepdims=True) + 1e-6)

        q = np.repeat(unit(q) / np.sqrt(q.shape[-1]), repeat, 1)
        k = np.repeat(unit(k), repeat, 1)
        decay = np.exp(-np.exp(self.weights[p + "A_log"])
                       * np.logaddexp(0, a + self.weights[p + "dt_bias"]))
        beta, state, out = sigmoid(b), np.zeros((vh, q.shape[-1], dv)), np.zeros_like(v)
        for t in range(count):
            state *= decay[t][:, None, None]
            delta = beta[t][:, None] * (v[t] - np.einsum("hkv,hk->hv", state, k[t]))
            state += k[t][:, :, None] * delta[:, None, :]
            out[t] = np.einsum("hkv,hk->hv", state, q[t])
        scale = 1 / np.sqrt((out * out).mean(-1, keepdims=True) + self.config["rms_norm_eps"])
        out = out * scale * self.weights[p + "norm.weight"] * silu(z)
        return self.linear(out.reshape(count, -1), p + "out_proj")

    def layer(self, x, p, mixer):
        x = x + mixer(self.norm(x, p + "input_layernorm"))
        return x + self.moe(self.norm(x, p + "post_attention_layernorm"), p + "mlp.")

    def head(self, x):
        tied = self.config["tie_word_embeddings"]
        return self.linear(x, "model.embed_tokens" if tied else "lm_head")

    def final(self, ids):
        """The normalised last hidden state of every position."""
        x = self.weights["model.embed_tokens.weight"][ids]
        for i, kind in enumerate(self.config["layer_types"]):
            p = f"model.layers.{i}."
            if kind == "full_attention":
                x = self.layer(x, p, lambda h: self.attention(h, p + "self_attn."))
            else:
                x = self.layer(x, p, lambda h: self.delta_net(h, p + "linear_attn."))
        return self.norm(x, "model.norm")

    def mtp(self, hidden, following):
        """Logits of the MTP layer, given each position's next token."""
        embedded = self.weights["model.embed_tokens.weight"][following]
        x = np.concatenate([self.norm(embedded, "mtp.pre_fc_norm_embedding"),
                            self.norm(hidden, "mtp.pre_fc_norm_hidden")], 1)
        p = "mtp.layers.0."
        x = self.layer(self.linear(x, "mtp.fc"), p,
                       lambda h: self.attention(h, p + "self_attn."))
        return self.head(self.norm(x, "mtp.norm"))


def load(folder):
    """The transcription over a checkpoint folder."""
    return Model(*dequantise.float_weights(folder))


def main():
    for name in sys.argv[1:] or ["bf16"]:
        golden = TESTS / "golden" / name
        prompt, rows = np.load(golden / "prompt.npy"), np.load(golden / "rows.npy")
        expected = np.load(golden / "logits.npy")
        model = load(TESTS / "checkpoints" / name)
        logits = model.head(model.final(prompt))[rows]
        worst = np.abs(logits - expected).max()
        print(f"{name}: largest difference {worst:.2e}, logits up to {np.abs(expected).max():.2f}")
        if worst > 1e-3:
            sys.exit(f"{name}: the transcription and transformers disagree")


if __name__ == "__main__":
    main()
