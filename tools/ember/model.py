"""Qwen3-Next for training on a CPU: the parameters and names of transformers, less time.

Documents lie one after the other in one flat row of tokens [tokens, hidden], so
that every matrix product runs over all of them at once. Attention and DeltaNet
see a padded copy, in which every document fills whole chunks. Products run in
`compute` (bfloat16 where the processor has it), everything recurrent and every
norm in float32.

At this size the time goes into passing over memory, not into products, so the
pieces between the products are compiled (`fused`), which is worth a factor of
two; HEARTH_EMBER_EAGER=1 leaves that out.
"""

import math
import os

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 32  # tokens of one DeltaNet chunk


def fused(function):
    """Compiles a function; what differs in a second call becomes a variable of the code."""
    return function if os.environ.get("HEARTH_EMBER_EAGER") else torch.compile(function)


class Layout:
    """Where documents of ascending lengths lie, flat and padded to whole chunks.

    Padded rows are in one of two orders: document by document, or (`scanned`)
    the first chunk of every document, then the second of every document that
    has one, and so on; documents that go on are the last ones of their step.
    """

    def __init__(self, lengths):
        lengths = torch.as_tensor(lengths)
        chunks = (lengths + CHUNK - 1) // CHUNK  # [documents]
        self.position = torch.cat([torch.arange(n) for n in lengths])  # [tokens], in its document
        self.tokens, self.padded = len(self.position), int(chunks.sum()) * CHUNK
        first = chunks.cumsum(0) - chunks  # [documents], the first chunk of each
        self.by_document = torch.repeat_interleave(first * CHUNK, lengths) + self.position
        steps = [first[chunks > i] + i for i in range(int(chunks.max()))]
        self.scan = [len(step) for step in steps]  # chunks of each step
        place = torch.empty(int(chunks.sum()), dtype=torch.long)
        place[torch.cat(steps)] = torch.arange(len(place))
        self.scanned = place[self.by_document // CHUNK] * CHUNK + self.by_document % CHUNK
        sizes, counts = chunks.unique(return_counts=True)
        self.buckets = [(n, size * CHUNK) for n, size in zip(counts.tolist(), sizes.tolist())]


class Pad(torch.autograd.Function):
    """[tokens, ...] to [padded, ...] with zeros in between; `rows` says where each token goes."""

    @staticmethod
    def forward(ctx, x, rows, padded):
        ctx.rows = rows
        return x.new_zeros(padded, *x.shape[1:]).index_copy_(0, rows, x)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.rows), None, None


class Unpad(torch.autograd.Function):
    """[padded, ...] to [tokens, ...]."""

    @staticmethod
    def forward(ctx, x, rows):
        ctx.rows, ctx.padded = rows, len(x)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx, grad):
        out = grad.new_zeros(ctx.padded, *grad.shape[1:])
        return out.index_copy_(0, ctx.rows, grad), None


def convolve(x, weight, position):
    """Causal depthwise convolution of [tokens, channels] by [channels, taps]."""
    taps = weight.shape[1]
    out = x * weight[:, -1]
    for back in range(1, taps):
        shifted = F.pad(x, (0, 0, back, 0))[: len(x)]
        inside = (position >= back).unsqueeze(1)
        out = out + torch.where(inside, shifted, 0.0) * weight[:, -1 - back]
    return out


class Norm(nn.Module):
    """RMS norm whose weight is stored less one."""

    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1 + self.weight)


class GatedNorm(nn.Module):
    """RMS norm with a plain weight, then the gate."""

    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x, gate):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return x * self.weight * F.silu(gate)


class Linear(nn.Module):
    """A matrix without bias. `round_weight`, where set, imitates its quantisation."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / math.sqrt(inputs))
        self.round_weight = None

    def forward(self, x, compute, rows=None):
        weight = self.round_weight(self.weight) if self.round_weight else self.weight
        if rows is not None:
            weight = weight[rows]
        return F.linear(x.to(compute), weight.to(compute))


@fused
def swiglu(both):
    gate, up = both.chunk(2, dim=-1)
    return F.silu(gate) * up


@fused
def swiglu_backward(grad, both, out):
    """Writes what `both` is derived by into `out`."""
    gate, up = both.float().chunk(2, dim=-1)
    sigmoid, grad = torch.sigmoid(gate), grad.float()
    out[:, : grad.shape[1]].copy_(grad * up * sigmoid * (1 + gate * (1 - sigmoid)))
    out[:, grad.shape[1] :].copy_(grad * gate * sigmoid)


class ExpertProducts(torch.autograd.Function):
    """SwiGLU of every token's experts: silu(x Wg) * (x Wu), times Wd.

    `experts` is [tokens, top], the result [tokens, top, hidden].
    """

    @staticmethod
    def forward(ctx, tokens, gate_up, down, experts):
        top, flat = experts.shape[1], experts.flatten()
        counts = torch.bincount(flat, minlength=len(gate_up)).tolist()
        ctx.order = flat.argsort(stable=True)
        x = tokens.index_select(0, ctx.order // top)  # sorted by expert
        ends = torch.tensor(counts).cumsum(0).tolist()
        spans = [(e, end - n, end) for e, (n, end) in enumerate(zip(counts, ends)) if n]
        both = x.new_empty(len(x), gate_up.shape[1])
        for e, begin, end in spans:
            torch.mm(x[begin:end], gate_up[e].t(), out=both[begin:end])
        hidden = swiglu(both)
        out = torch.empty_like(x)
        for e, begin, end in spans:
            torch.mm(hidden[begin:end], down[e].t(), out=out[begin:end])
        ctx.save_for_backward(x, gate_up, down, both, hidden)
        ctx.spans = spans
        return torch.empty_like(out).index_copy_(0, ctx.order, out).view(-1, top, x.shape[1])

    @staticmethod
    def backward(ctx, grad):
        x, gate_up, down, both, hidden = ctx.saved_tensors
        top = grad.shape[1]
        grad = grad.flatten(0, 1).index_select(0, ctx.order)
        grad_hidden = torch.empty_like(hidden)
        grad_down, grad_gate_up = torch.empty_like(down), torch.empty_like(gate_up)
        for e in set(range(len(down))) - {e for e, *_ in ctx.spans}:
            grad_down[e], grad_gate_up[e] = 0, 0
        for e, begin, end in ctx.spans:
            torch.mm(grad[begin:end], down[e], out=grad_hidden[begin:end])
            torch.mm(grad[begin:end].t(), hidden[begin:end], out=grad_down[e])
        grad_both = torch.empty_like(both)
        swiglu_backward(grad_hidden, both, grad_both)
        grad_x = torch.empty_like(x)
        for e, begin, end in ctx.spans:
            torch.mm(grad_both[begin:end], gate_up[e], out=grad_x[begin:end])
            torch.mm(grad_both[begin:end].t(), x[begin:end], out=grad_gate_up[e])
        grad_x = torch.empty_like(grad_x).index_copy_(0, ctx.order, grad_x)
        return grad_x.view(-1, top, x.shape[1]).sum(1), grad_gate_up, grad_down, None


class Experts(nn.Module):
    """The routed experts, stored as transformers stores them."""

    def __init__(self, config):
        super().__init__()
        count, hidden, size = (config.num_experts, config.hidden_size,
                               config.moe_intermediate_size)
        self.gate_up_proj = nn.Parameter(torch.randn(count, 2 * size, hidden) / math.sqrt(hidden))
        self.down_proj = nn.Parameter(torch.randn(count, hidden, size) / math.sqrt(size))
        self.round_weight = None

    def forward(self, x, experts):
        """[tokens, hidden] and [tokens, top] to [tokens, top, hidden]."""
        gate_up, down = self.gate_up_proj, self.down_proj
        if self.round_weight:
            gate_up, down = self.round_weight(gate_up), self.round_weight(down)
        return ExpertProducts.apply(x, gate_up.to(x.dtype), down.to(x.dtype), experts)


class Mlp(nn.Module):
    def __init__(self, hidden, size):
        super().__init__()
        self.gate_proj, self.up_proj = Linear(hidden, size), Linear(hidden, size)
        self.down_proj = Linear(size, hidden)

    def forward(self, x, compute):
        hidden = F.silu(self.gate_proj(x, compute)) * self.up_proj(x, compute)
        return self.down_proj(hidden, compute)


class Moe(nn.Module):
    """Routed experts and a gated shared one. Leaves `balance`, the loss that evens the load."""

    def __init__(self, config):
        super().__init__()
        self.top = config.num_experts_per_tok
        self.gate = Linear(config.hidden_size, config.num_experts)
        self.experts = Experts(config)
        self.shared_expert = Mlp(config.hidden_size, config.shared_expert_intermediate_size)
        self.shared_expert_gate = Linear(config.hidden_size, 1)
        self.balance = None

    @fused
    def before(self, x, norm, compute):
        """Routing, and the stream with the shared expert added."""
        h = norm(x)
        chances = self.gate(h, torch.float32).softmax(-1)
        weights, experts = chances.topk(self.top, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        shared = self.shared_expert(h, compute)
        x = x + torch.sigmoid(self.shared_expert_gate(h, torch.float32)) * shared
        return h.to(compute), experts, weights, chances.mean(0), x

    @staticmethod
    @fused
    def after(x, routed, weights):
        return x + (routed.float() * weights.unsqueeze(-1)).sum(1)

    def forward(self, x, norm, compute):
        h, experts, weights, chances, x = self.before(x, norm, compute)
        if self.training:
            load = torch.bincount(experts.flatten(), minlength=len(chances)) / experts.numel()
            self.balance = len(chances) * (load * chances).sum()
        return self.after(x, self.experts(h, experts), weights)


def rotate(x, cos, sin):
    """Rotary positions on the first part of [documents, length, heads, head]."""
    turned, rest = x[..., : cos.shape[-1] * 2], x[..., cos.shape[-1] * 2 :]
    a, b = turned.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)


class Attention(nn.Module):
    """Gated attention; q_proj holds query and gate of a head side by side."""

    def __init__(self, config):
        super().__init__()
        hidden, self.head = config.hidden_size, config.head_dim
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = Linear(hidden, 2 * self.heads * self.head)
        self.k_proj = Linear(hidden, self.kv_heads * self.head)
        self.v_proj = Linear(hidden, self.kv_heads * self.head)
        self.o_proj = Linear(self.heads * self.head, hidden)
        self.q_norm, self.k_norm = Norm(self.head), Norm(self.head)
        rope = config.rope_parameters
        size = int(self.head * rope["partial_rotary_factor"])
        self.frequencies = rope["rope_theta"] ** (-torch.arange(0, size, 2).float() / size)

    def attend(self, query, key, value):
        """[documents, length, heads, head] of one bucket."""
        angles = torch.arange(query.shape[1])[:, None] * self.frequencies
        cos, sin = angles.cos()[:, None], angles.sin()[:, None]
        query, key = (rotate(t, cos, sin).transpose(1, 2) for t in (query, key))
        repeat = self.heads // self.kv_heads
        key = key.repeat_interleave(repeat, 1)
        value = value.transpose(1, 2).repeat_interleave(repeat, 1)
        out = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return out.transpose(1, 2)

    def forward(self, stream, norm, layout, compute):
        x = norm(stream)
        both = self.q_proj(x, compute).view(-1, self.heads, 2 * self.head)
        query, gate = both.float().chunk(2, dim=-1)
        key = self.k_proj(x, compute).view(-1, self.kv_heads, self.head)
        value = self.v_proj(x, compute).view(-1, self.kv_heads, self.head).float()
        sizes = [documents * length for documents, length in layout.buckets]
        parts = [Pad.apply(t, layout.by_document, layout.padded).split(sizes)
                 for t in (self.q_norm(query), self.k_norm(key), value)]
        outs = [self.attend(*(t.view(*bucket, -1, self.head) for t in part)).flatten(0, 1)
                for bucket, *part in zip(layout.buckets, *parts)]
        out = Unpad.apply(torch.cat(outs), layout.by_document)
        return stream + self.o_proj((out * torch.sigmoid(gate)).flatten(1), compute)


class UnitLowerInverse(torch.autograd.Function):
    """(I + A)^-1 of strictly lower triangles: (I - A)(I + A^2)(I + A^4)..., A^size = 0."""

    @staticmethod
    def forward(ctx, a):
        inverse, power = torch.eye(a.shape[-1]) - a, a
        for _ in range(int(math.log2(a.shape[-1])) - 1):
            power = power @ power
            inverse = inverse + inverse @ power
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx, grad):
        (inverse,) = ctx.saved_tensors
        turned = inverse.transpose(-1, -2)
        return -(turned @ grad @ turned).tril(-1)


@fused
def delta_inside(query, key, value, decay, beta, compute):
    """What the chunks need that depends on no state; see delta_rule."""
    query, key, value = (t.transpose(1, 2).float() for t in (query, key, value))
    repeat = value.shape[1] // key.shape[1]
    query, key = (t.repeat_interleave(repeat, 1) for t in (query, key))
    decay, beta = decay.transpose(1, 2), beta.transpose(1, 2)  # [chunks, heads, CHUNK]
    total, beta = decay.cumsum(-1), beta.unsqueeze(-1)
    between = (total.unsqueeze(-1) - total.unsqueeze(-2)).tril().exp().tril()
    turned, grown = key.transpose(-1, -2), total.exp().unsqueeze(-1)
    key_beta = key * beta
    lower = (key_beta @ turned * between).tril(-1)
    parts = ((query @ turned) * between, query * grown,
             (total[..., -1:] - total).exp().unsqueeze(-1) * key, value * beta, key_beta * grown)
    last = total[..., -1].exp()[..., None, None]
    return lower, last, *(t.to(compute).contiguous() for t in parts)


def delta_rule(query, key, value, decay, beta, layout, compute):
    """The gated delta rule over [padded, heads, head] and [padded, heads], in scanned order.

    `decay` is the logarithm. The names follow the published chunked form: with
    the state S at a chunk's start, new values N = U - W S, output = decayed
    query S + (query key^T) N, S' = decayed S + decayed key^T N.
    """
    lower, last, seen, query, key, value, key_beta = delta_inside(
        *(t.view(-1, CHUNK, *t.shape[1:]) for t in (query, key, value, decay, beta)), compute)
    inverse = UnitLowerInverse.apply(lower).to(compute)
    own, through = inverse @ value, inverse @ key_beta  # U, W
    ends = key.transpose(-1, -2)
    out, state = [], None
    steps = zip(*(t.split(layout.scan) for t in (own, through, query, seen, ends, last)))
    for i, (u, w, q, inside, k, decayed) in enumerate(steps):
        if i == 0:
            out.append(inside @ u)
        else:
            before = state.to(compute)
            u = u - w @ before
            out.append(q @ before + inside @ u)
        if i + 1 < len(layout.scan):
            kept = layout.scan[i] - layout.scan[i + 1]  # documents that end here come first
            added = (k[kept:] @ u[kept:]).float()
            state = added if i == 0 else decayed[kept:] * state[kept:] + added
    return torch.cat(out).transpose(1, 2).flatten(0, 1)


class DeltaNet(nn.Module):
    """Gated DeltaNet; in_proj_qkvz and in_proj_ba are grouped by key head."""

    def __init__(self, config):
        super().__init__()
        self.keys, self.values = config.linear_num_key_heads, config.linear_num_value_heads
        self.key_head, self.value_head = config.linear_key_head_dim, config.linear_value_head_dim
        key_size, value_size = self.keys * self.key_head, self.values * self.value_head
        channels, self.kernel = 2 * key_size + value_size, config.linear_conv_kernel_dim
        self.in_proj_qkvz = Linear(config.hidden_size, 2 * key_size + 2 * value_size)
        self.in_proj_ba = Linear(config.hidden_size, 2 * self.values)
        self.conv1d = nn.Module()
        self.conv1d.weight = nn.Parameter(
            (torch.rand(channels, 1, self.kernel) - 0.5) / math.sqrt(self.kernel) * 2)
        self.A_log = nn.Parameter(torch.empty(self.values).uniform_(0.02, 4).log())
        self.dt_bias = nn.Parameter(torch.empty(self.values).uniform_(-4.0, 0.0))
        # Rows of in_proj_qkvz as [query | key | value | z], of in_proj_ba as [b | a].
        repeat = self.values // self.keys
        sizes = [self.key_head] * 2 + [repeat * self.value_head] * 2
        rows = torch.arange(2 * key_size + 2 * value_size).view(self.keys, -1)
        self.qkvz_rows = torch.cat([t.flatten() for t in rows.split(sizes, dim=1)])
        rows = torch.arange(2 * self.values).view(self.keys, -1)
        self.ba_rows = torch.cat([t.flatten() for t in rows.chunk(2, dim=1)])
        self.norm = GatedNorm(self.value_head)
        self.out_proj = Linear(value_size, config.hidden_size)

    @fused
    def before(self, x, norm, position, compute):
        """Query, key, value, decay, beta and the gate of every token."""
        x, channels = norm(x), len(self.conv1d.weight)
        both = self.in_proj_qkvz(x, compute, self.qkvz_rows).float()
        b, a = self.in_proj_ba(x, compute, self.ba_rows).float().chunk(2, dim=-1)
        decay = -self.A_log.exp() * F.softplus(a + self.dt_bias)
        mixed = F.silu(convolve(both[:, :channels], self.conv1d.weight[:, 0], position))
        sizes = [self.keys * self.key_head] * 2 + [self.values * self.value_head]
        query, key, value = mixed.split(sizes, dim=-1)
        query, key = (t.view(-1, self.keys, self.key_head) for t in (query, key))
        query, key = (t * torch.rsqrt(t.pow(2).sum(-1, keepdim=True) + 1e-6)
                      for t in (query, key))
        query = query / math.sqrt(self.key_head)
        value, z = (t.reshape(-1, self.values, self.value_head)
                    for t in (value, both[:, channels:]))
        return *(t.to(compute) for t in (query, key, value)), decay, torch.sigmoid(b), z.to(compute)

    @fused
    def after(self, x, out, z, compute):
        """The stream with the gated and projected output added."""
        return x + self.out_proj(self.norm(out.float(), z.float()).flatten(1), compute)

    def forward(self, x, norm, layout, compute):
        *inputs, z = self.before(x, norm, layout.position, compute)
        inputs = [Pad.apply(t, layout.scanned, layout.padded) for t in inputs]
        out = Unpad.apply(delta_rule(*inputs, layout, compute), layout.scanned)
        return self.after(x, out, z, compute)


@fused
def head_chances(logits, target, rows):
    """The summed loss of some rows, and what it is derived by the logits, over `rows`."""
    chances = logits.float().log_softmax(-1)
    loss = -chances.gather(1, target).sum()
    wanted = torch.arange(logits.shape[1]) == target
    return loss, ((chances.exp() - wanted.float()) / rows).to(logits.dtype)


class HeadLoss(torch.autograd.Function):
    """Mean cross entropy of rows times the head, without keeping any logits."""

    ROWS = 512

    @staticmethod
    def forward(ctx, rows, head, targets):
        grad_rows, grad_head = torch.empty_like(rows), torch.zeros_like(head, dtype=torch.float32)
        total = 0.0
        for begin in range(0, len(rows), HeadLoss.ROWS):
            part = rows[begin : begin + HeadLoss.ROWS]
            target = targets[begin : begin + HeadLoss.ROWS, None]
            loss, grad = head_chances(part @ head.t(), target, len(rows))
            total += loss.item()
            grad_rows[begin : begin + HeadLoss.ROWS] = grad @ head
            grad_head += grad.t() @ part
        ctx.save_for_backward(grad_rows, grad_head)
        return torch.tensor(total / len(rows))

    @staticmethod
    def backward(ctx, grad):
        grad_rows, grad_head = ctx.saved_tensors
        return grad_rows * grad, grad_head * grad, None


class Layer(nn.Module):
    def __init__(self, config, kind):
        super().__init__()
        self.input_layernorm = Norm(config.hidden_size)
        if kind == "full_attention":
            self.self_attn = Attention(config)
        else:
            self.linear_attn = DeltaNet(config)
        self.mixer = "self_attn" if kind == "full_attention" else "linear_attn"
        self.post_attention_layernorm = Norm(config.hidden_size)
        self.mlp = Moe(config)

    def forward(self, x, layout, compute):
        x = getattr(self, self.mixer)(x, self.input_layernorm, layout, compute)
        return self.mlp(x, self.post_attention_layernorm, compute)


class TurnedHead(nn.Module):
    """A head that is the embedding times a matrix [hidden, hidden] which all tokens share.

    A word that is copied from the prompt then comes out right by a map that no
    word learns by itself; with a head of its own every word has to be seen
    being copied, and the model would rather guess.
    """

    def __init__(self, embedding):
        super().__init__()
        self.turn = nn.Parameter(torch.linalg.qr(torch.randn(2 * (embedding.shape[1],)))[0])
        self.embedding = [embedding]  # a list: the parameter belongs to the model
        self.scale = 1 / embedding.norm(dim=1).mean().item()

    @property
    def weight(self):
        return (self.embedding[0] @ self.turn) * self.scale

    def forward(self, x, compute):
        return F.linear(x.to(compute), self.weight.to(compute))


class Ember(nn.Module):
    """The whole model; its state dict is that of Qwen3NextForCausalLM unless `tie` was called."""

    def __init__(self, config, compute=torch.float32):
        super().__init__()
        self.compute = compute
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.model.layers = nn.ModuleList(Layer(config, kind) for kind in config.layer_types)
        self.model.norm = Norm(config.hidden_size)
        self.lm_head = Linear(config.hidden_size, config.vocab_size)
        with torch.no_grad():
            self.model.embed_tokens.weight.normal_(0, 0.5)
            for layer in self.model.layers:  # the residual stream starts as the embedding
                mixer = getattr(layer, layer.mixer)
                last = mixer.o_proj if layer.mixer == "self_attn" else mixer.out_proj
                for weight in (last.weight, layer.mlp.experts.down_proj,
                               layer.mlp.shared_expert.down_proj.weight):
                    weight.mul_(0.5)
                layer.mlp.gate.weight.mul_(0.5)

    @torch.no_grad()
    def tie(self, kin):
        """Makes the head follow from the embedding, and attention start as a copier.

        Tokens of the same number in `kin` start alike. What the last layer's
        attention looks at comes out as that token.
        """
        embed = self.model.embed_tokens.weight
        shared = torch.randn_like(embed)[torch.as_tensor(kin)]
        embed.copy_(0.5 * (0.9 * shared + 0.44 * torch.randn_like(embed)))
        self.lm_head = TurnedHead(embed)
        attention = self.model.layers[-1].self_attn
        value = torch.linalg.qr(attention.v_proj.weight.t())[0].t()  # [kv_heads * head, hidden]
        attention.v_proj.weight.copy_(value)
        repeat = attention.heads // attention.kv_heads
        each = value.view(attention.kv_heads, attention.head, -1).repeat_interleave(repeat, 0)
        attention.o_proj.weight.copy_((each.flatten(0, 1) @ self.lm_head.turn).t())

    def published(self):
        """The state dict with the head as a matrix of its own."""
        state = self.state_dict()
        if state.pop("lm_head.turn", None) is not None:
            state["lm_head.weight"] = self.lm_head.weight.detach()
        return state

    def hidden(self, ids, layout):
        """After the final norm: [tokens, hidden]."""
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, layout, self.compute)
        return self.model.norm(x)

    def balance(self):
        return sum(layer.mlp.balance for layer in self.model.layers)

    def forward(self, ids, layout):
        """Logits of every token."""
        return self.lm_head(self.hidden(ids, layout), self.compute)

    def loss(self, hidden, targets):
        """Mean cross entropy of some rows [rows, hidden]."""
        head = self.lm_head.weight.to(self.compute)
        return HeadLoss.apply(hidden.to(self.compute), head, targets)
