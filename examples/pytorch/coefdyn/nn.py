# SPDX-License-Identifier: MIT
"""Layers with the parameter names of flash-linear-attention (fla) and of the published checkpoints, over coefdyn's mixers: their state
dicts load. A layer maps u (B, T, hidden_size) to the same shape."""
import math

import torch
from torch import nn
from torch.nn import functional as F

from . import operators as _operators


def _heads(x, count):
    return x.unflatten(-1, (count, -1))


def _unit(x, eps=1e-6):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)


def _gate(x, rows):
    """Gates are float beside rows of bfloat16 and float16."""
    return x.float() if rows.dtype in (torch.bfloat16, torch.float16) else x


def _linear(i, o, bias=False):
    return nn.Linear(i, o, bias=bias)


def _mix(name, *streams, **named):
    """A mixer's call with every stream in the type that goes with v's: under autocast they come in several."""
    mixer = _operators.named(name)
    given = dict(zip((s.name for s in mixer.streams), streams), **named)
    rows = given["v"].dtype
    gates = torch.float32 if rows in (torch.bfloat16, torch.float16) else rows
    if mixer.complex_rows:
        rows = gates
    pairs = torch.complex128 if gates == torch.float64 else torch.complex64
    return mixer(**{s.name: given[s.name].to(pairs if s.complex else gates if s.gate else rows) for s in mixer.streams})


class ShortConvolution(nn.Conv1d):
    """y_t = bias + sum_i w_i x_(t - W + 1 + i) of each channel, then SiLU; zeros before the first token. x is (B, T, channels)."""

    def __init__(self, channels, width, bias=False):
        super().__init__(channels, channels, width, groups=channels, bias=bias)

    def forward(self, x):
        y = F.conv1d(F.pad(x.transpose(1, 2), (self.kernel_size[0] - 1, 0)), self.weight, self.bias, groups=self.groups)
        return F.silu(y).transpose(1, 2)


class RMSNorm(nn.Module):
    """x / sqrt(mean x^2 + eps) times a weight a channel."""

    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class _HeadNorm(nn.Module):
    """Each head less its mean, by its deviation; weight and bias go over all heads."""

    def __init__(self, size, eps, bias=True):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    def forward(self, y):
        y = F.layer_norm(y, y.shape[-1:], eps=self.eps).flatten(-2) * self.weight
        return y if self.bias is None else y + self.bias


class _LowRank(nn.Module):
    """A product of two small matrices with a function between them: parameters lora.0 and lora.2."""

    def __init__(self, i, o, rank, activation=None, bias=True):
        super().__init__()
        self.lora = nn.Sequential(_linear(i, rank), activation or nn.Identity(), _linear(rank, o, bias))

    def forward(self, x):
        return self.lora(x)


class _StepRates(nn.Module):
    """log decay = -exp(A_log) softplus(raw + dt_bias): the two parameters of Mamba-2 and the gated delta rules."""

    def _rates(self, heads, biases=None):
        step = torch.exp(torch.rand(biases or heads) * (math.log(0.1) - math.log(1e-3)) + math.log(1e-3))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))


def _angles(pairs, theta, like):
    m = torch.arange(pairs, dtype=torch.float64, device=like.device)
    return (theta ** (-m / pairs)).to(torch.float32 if like.dtype in (torch.bfloat16, torch.float16) else like.dtype)


class Attention(nn.Module):
    """Softmax attention, with grouped keys and values, and rotary positions: "half" (Llama, fla), "interleaved" or None."""

    def __init__(self, hidden_size, num_heads, num_kv_heads=None, qkv_bias=False, rope="half", rope_theta=10000.0):
        super().__init__()
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads or num_heads
        self.rope, self.rope_theta = rope, rope_theta
        n = hidden_size // num_heads
        self.q_proj = _linear(hidden_size, hidden_size, qkv_bias)
        self.k_proj = _linear(hidden_size, self.num_kv_heads * n, qkv_bias)
        self.v_proj = _linear(hidden_size, self.num_kv_heads * n, qkv_bias)
        self.o_proj = _linear(hidden_size, hidden_size)

    def forward(self, u):
        q, k, v = (_heads(p(u), h) for p, h in ((self.q_proj, self.num_heads), (self.k_proj, self.num_kv_heads), (self.v_proj, self.num_kv_heads)))
        if self.rope is None:
            y = _mix("softmax_attention", q, k, v)
        else:
            y = _mix("softmax_rope_" + self.rope, q, k, v, _angles(q.shape[-1] // 2, self.rope_theta, q))
        return self.o_proj(y.flatten(-2))


class PaTHAttention(nn.Module):
    """Softmax attention whose keys pass a Householder a token, arXiv:2505.16381; without forget gate and norms of q and k."""

    def __init__(self, hidden_size, num_heads, low_rank_dim=32, conv_size=3):
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (_linear(hidden_size, hidden_size) for _ in range(4))
        self.w_proj = nn.Sequential(_linear(hidden_size, low_rank_dim), _linear(low_rank_dim, hidden_size))
        self.w_conv1d, self.bt_proj = ShortConvolution(hidden_size, conv_size), _linear(hidden_size, num_heads, True)

    def forward(self, u):
        q, k, v, z = (_heads(x, self.num_heads) for x in (self.q_proj(u), self.k_proj(u), self.v_proj(u), self.w_conv1d(self.w_proj(u))))
        beta = _gate(2 * torch.sigmoid(self.bt_proj(u)), v)
        return self.o_proj(_mix("path_attention", q, k, v, beta=beta, z=_unit(z)).flatten(-2))


class LinearAttention(nn.Module):
    """Linear attention: elu + 1 of q and k, divided by the sum of the weights, or neither (feature_map=None, as plain products)."""

    def __init__(self, hidden_size, num_heads, feature_map="elu", norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.feature_map = num_heads, feature_map
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (_linear(hidden_size, hidden_size) for _ in range(4))
        self.norm = RMSNorm(hidden_size // num_heads, norm_eps)

    def forward(self, u):
        q, k, v = (_heads(p(u), self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.feature_map == "elu":
            y = _mix("linear_attention_elu1", q, k, v)
        else:
            y = _mix("linear_attention", q * q.shape[-1] ** -0.5, k, v)
        return self.o_proj(self.norm(y).flatten(-2))


class MultiScaleRetention(nn.Module):
    """RetNet, arXiv:2307.08621: one decay a head, rotated queries and keys, a SiLU gate."""

    def __init__(self, hidden_size, num_heads, expand_k=1.0, expand_v=2.0, rope_theta=10000.0, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.rope_theta = num_heads, rope_theta
        K, V = round(hidden_size * expand_k), round(hidden_size * expand_v)
        self.q_proj, self.k_proj, self.v_proj, self.g_proj = (_linear(hidden_size, o) for o in (K, K, V, V))
        self.o_proj, self.g_norm_swish_gate = _linear(V, hidden_size), RMSNorm(V // num_heads, norm_eps)

    def forward(self, u):
        q, k, v, g = (_heads(p(u), self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj, self.g_proj))
        h = torch.arange(self.num_heads, dtype=torch.float64, device=u.device)
        theta = _angles(q.shape[-1] // 2, self.rope_theta, q)
        y = _mix("retnet_xpos_half", q, k, v, theta=theta, log_decay=torch.log1p(-(2.0 ** (-5 - h))).to(theta.dtype))
        return self.o_proj((self.g_norm_swish_gate(y) * F.silu(g)).flatten(-2))


class GatedLinearAttention(nn.Module):
    """GLA, arXiv:2312.06635: log decay = logsigmoid(gk_proj(u)) / gate_logit_normalizer of each channel."""

    def __init__(self, hidden_size, num_heads, expand_k=0.5, expand_v=1.0, gate_low_rank_dim=16, gate_logit_normalizer=16.0, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.gate_logit_normalizer = num_heads, gate_logit_normalizer
        K, V = round(hidden_size * expand_k), round(hidden_size * expand_v)
        self.q_proj, self.k_proj, self.v_proj, self.g_proj = (_linear(hidden_size, o) for o in (K, K, V, V))
        self.gk_proj = nn.Sequential(_linear(hidden_size, gate_low_rank_dim), _linear(gate_low_rank_dim, K, True))
        self.o_proj, self.g_norm_swish_gate = _linear(V, hidden_size), RMSNorm(V // num_heads, norm_eps)

    def forward(self, u):
        q, k, v, g, gk = (_heads(p(u), self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj, self.g_proj, self.gk_proj))
        y = _mix("gla", q, k, v, F.logsigmoid(_gate(gk, v)) / self.gate_logit_normalizer)
        return self.o_proj((self.g_norm_swish_gate(y) * F.silu(g)).flatten(-2))


class SimpleGatedLinearAttention(nn.Module):
    """GLA with one decay a head and short convolutions."""

    def __init__(self, hidden_size, num_heads, conv_size=4, gate_logit_normalizer=16.0, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.gate_logit_normalizer = num_heads, gate_logit_normalizer
        self.q_proj, self.k_proj, self.v_proj, self.g_proj, self.o_proj = (_linear(hidden_size, hidden_size) for _ in range(5))
        self.q_conv1d, self.k_conv1d, self.v_conv1d = (ShortConvolution(hidden_size, conv_size) for _ in range(3))
        self.gk_proj, self.g_norm_swish_gate = _linear(hidden_size, num_heads, True), RMSNorm(hidden_size // num_heads, norm_eps)

    def forward(self, u):
        q, k, v = (_heads(c(p(u)), self.num_heads) for p, c in ((self.q_proj, self.q_conv1d), (self.k_proj, self.k_conv1d), (self.v_proj, self.v_conv1d)))
        y = _mix("simple_gla", q, k, v, F.logsigmoid(_gate(self.gk_proj(u), v)) / self.gate_logit_normalizer)
        return self.o_proj((self.g_norm_swish_gate(y) * F.silu(_heads(self.g_proj(u), self.num_heads))).flatten(-2))


class HGRN2Attention(nn.Module):
    """HGRN-2, arXiv:2404.07904: keys are 1 - lambda, lambda the forget gate, at least lower_bound where there is one."""

    def __init__(self, hidden_size, num_heads, lower_bound=None, norm_eps=1e-5):
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.f_proj, self.i_proj, self.o_proj = (_linear(hidden_size, hidden_size) for _ in range(4))
        self.g_norm = RMSNorm(hidden_size, norm_eps)
        self.lower_bound = None if lower_bound is None else nn.Parameter(torch.as_tensor(lower_bound))

    def forward(self, u):
        raw = self.f_proj(u)
        log_decay = F.logsigmoid(_gate(raw, u))
        if self.lower_bound is not None:
            log_decay = torch.log(self.lower_bound + (1 - self.lower_bound) * log_decay.exp())
        q, v, g = (_heads(x, self.num_heads) for x in (F.silu(self.q_proj(u)), self.i_proj(u), log_decay))
        y = _mix("hgrn2", q * q.shape[-1] ** -0.5, torch.ones_like(q), v, g)
        return self.o_proj(self.g_norm(y.flatten(-2)))


class Mamba2(_StepRates):
    """Mamba-2, arXiv:2405.21060, with mamba_ssm's fused projection z, x, B, C, dt; the gate comes before the norm."""

    def __init__(self, hidden_size, num_heads, state_size, expand=2, n_groups=1, conv_kernel=4, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.state_size, self.n_groups, self.norm_eps = num_heads, state_size, n_groups, norm_eps
        self.inner = round(hidden_size * expand)
        channels = self.inner + 2 * n_groups * state_size
        self.in_proj, self.out_proj = _linear(hidden_size, self.inner + channels + num_heads), _linear(self.inner, hidden_size)
        self.conv1d = ShortConvolution(channels, conv_kernel, bias=True)
        self._rates(num_heads)
        self.D, self.norm = nn.Parameter(torch.ones(num_heads)), RMSNorm(self.inner, norm_eps)

    def forward(self, u):
        groups = self.n_groups * self.state_size
        z, mixed, dt = self.in_proj(u).split([self.inner, self.inner + 2 * groups, self.num_heads], -1)
        x, B, C = self.conv1d(mixed).split([self.inner, groups, groups], -1)
        x, B, C = _heads(x, self.num_heads), _heads(B, self.n_groups), _heads(C, self.n_groups)
        delta = F.softplus(_gate(dt + self.dt_bias, x))
        y = _mix("mamba2", C, B, x, -delta * self.A_log.exp(), delta) + self.D[:, None] * x
        y = _heads(y.flatten(-2) * F.silu(z), self.n_groups)
        y = (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.norm_eps)).flatten(-2)
        return self.out_proj(y * self.norm.weight)


class _Convolved(_StepRates):
    """What the delta rules share: projections and short convolutions of q, k and v."""

    def _projections(self, hidden_size, K, k_rows, v_rows, conv_size):
        self.q_proj, self.k_proj, self.v_proj = (_linear(hidden_size, o) for o in (K, k_rows, v_rows))
        self.q_conv1d, self.k_conv1d, self.v_conv1d = (ShortConvolution(o, conv_size) for o in (K, k_rows, v_rows))

    def _rows(self, u):
        return self.q_conv1d(self.q_proj(u)), self.k_conv1d(self.k_proj(u)), self.v_conv1d(self.v_proj(u))


class DeltaNet(_Convolved):
    """DeltaNet, arXiv:2406.06484. beta is a sigmoid, twice that under allow_neg_eigval."""

    def __init__(self, hidden_size, num_heads, expand_k=1.0, expand_v=1.0, use_gate=False, allow_neg_eigval=False, conv_size=4, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.most = num_heads, 2 if allow_neg_eigval else 1
        K, V = round(hidden_size * expand_k), round(hidden_size * expand_v)
        self._projections(hidden_size, K, K, V, conv_size)
        self.b_proj, self.o_proj = _linear(hidden_size, num_heads), _linear(V, hidden_size)
        self.g_proj = _linear(hidden_size, V) if use_gate else None
        self.o_norm = RMSNorm(V // num_heads, norm_eps)

    def forward(self, u):
        q, k, v = (_heads(x, self.num_heads) for x in self._rows(u))
        y = self.o_norm(_mix("deltanet", _unit(q), _unit(k), v, torch.sigmoid(_gate(self.b_proj(u), v)) * self.most))
        if self.g_proj is not None:
            y = y * F.silu(_heads(self.g_proj(u), self.num_heads))
        return self.o_proj(y.flatten(-2))


class GatedDeltaNet(_Convolved):
    """Gated DeltaNet, arXiv:2412.06464; several value heads may share a query and key head (num_v_heads)."""

    def __init__(self, hidden_size, num_heads, head_dim, expand_v=2.0, num_v_heads=None, allow_neg_eigval=False, conv_size=4, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.num_v_heads, self.most = num_heads, num_v_heads or num_heads, 2 if allow_neg_eigval else 1
        d = round(head_dim * expand_v)
        K, V = num_heads * head_dim, self.num_v_heads * d
        self._projections(hidden_size, K, K, V, conv_size)
        self.g_proj, self.o_proj = _linear(hidden_size, V), _linear(V, hidden_size)
        self.a_proj, self.b_proj = _linear(hidden_size, self.num_v_heads), _linear(hidden_size, self.num_v_heads)
        self._rates(self.num_v_heads)
        self.o_norm = RMSNorm(d, norm_eps)

    def forward(self, u):
        q, k, v = self._rows(u)
        q, k, v = _unit(_heads(q, self.num_heads)), _unit(_heads(k, self.num_heads)), _heads(v, self.num_v_heads)
        decay = -_gate(self.A_log, v).exp() * F.softplus(_gate(self.a_proj(u) + self.dt_bias, v))
        y = self.o_norm(_mix("gated_deltanet", q, k, v, decay, torch.sigmoid(_gate(self.b_proj(u), v)) * self.most))
        return self.o_proj((y * F.silu(_heads(self.g_proj(u), self.num_v_heads))).flatten(-2))


class KimiDeltaAttention(_Convolved):
    """KDA, arXiv:2510.26692: a decay of each channel, a sigmoid gate."""

    def __init__(self, hidden_size, num_heads, head_dim, expand_v=1.0, conv_size=4, norm_eps=1e-5):
        super().__init__()
        self.num_heads = num_heads
        d = round(head_dim * expand_v)
        K, V = num_heads * head_dim, num_heads * d
        self._projections(hidden_size, K, K, V, conv_size)
        self.f_proj = nn.Sequential(_linear(hidden_size, d), _linear(d, K))
        self.g_proj = nn.Sequential(_linear(hidden_size, d), _linear(d, V, True))
        self.b_proj, self.o_proj = _linear(hidden_size, num_heads), _linear(V, hidden_size)
        self._rates(num_heads, K)
        self.o_norm = RMSNorm(d, norm_eps)

    def forward(self, u):
        q, k, v = (_heads(x, self.num_heads) for x in self._rows(u))
        decay = -_gate(self.A_log, v).exp()[:, None] * F.softplus(_heads(_gate(self.f_proj(u) + self.dt_bias, v), self.num_heads))
        y = self.o_norm(_mix("kda", _unit(q), _unit(k), v, decay, torch.sigmoid(_gate(self.b_proj(u), v))))
        return self.o_proj((y * torch.sigmoid(_heads(self.g_proj(u), self.num_heads))).flatten(-2))


class GatedDeltaProduct(_Convolved):
    """Gated DeltaProduct, arXiv:2502.10297: num_householder writes (2 or 3) a token."""

    def __init__(self, hidden_size, num_heads, head_dim, expand_v=2.0, num_householder=2, allow_neg_eigval=True, conv_size=4, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.num_householder, self.most = num_heads, num_householder, 2 if allow_neg_eigval else 1
        d = round(head_dim * expand_v)
        K, V = num_heads * head_dim, num_heads * d
        self._projections(hidden_size, K, K * num_householder, V * num_householder, conv_size)
        self.b_proj, self.a_proj = _linear(hidden_size, num_heads * num_householder), _linear(hidden_size, num_heads)
        self.g_proj, self.o_proj = _linear(hidden_size, V), _linear(V, hidden_size)
        self._rates(num_heads)
        self.o_norm = RMSNorm(d, norm_eps)

    def forward(self, u):
        def writes(x):  # column block l of a token is its write l
            return x.unflatten(-1, (self.num_householder, self.num_heads, -1)).flatten(1, 2)

        q, k, v = self._rows(u)
        q, k, v = _unit(_heads(q, self.num_heads)), _unit(writes(k)), writes(v)
        beta = writes(torch.sigmoid(_gate(self.b_proj(u), v)) * self.most).squeeze(-1)
        decay = -_gate(self.A_log, v).exp() * F.softplus(_gate(self.a_proj(u) + self.dt_bias, v))
        y = self.o_norm(_mix(f"gated_deltaproduct_{self.num_householder}", q, k, v, log_decay=decay, beta=beta))
        return self.o_proj((y * F.silu(_heads(self.g_proj(u), self.num_heads))).flatten(-2))


def _shift(u):
    return F.pad(u, (0, 0, 1, -1)) - u


class _Of(nn.Module):
    """What fla keeps under the name `linear`."""

    def __init__(self, linear, mu=None):
        super().__init__()
        self.linear = linear
        self.mu = None if mu is None else nn.Parameter(mu)

    def forward(self, x):
        return self.linear(x)


class RWKV6Attention(nn.Module):
    """RWKV-6, arXiv:2404.05892: what each projection takes of the token before depends on the token; log decay = -exp(w)."""

    def __init__(self, hidden_size, num_heads, expand_k=0.5, expand_v=1.0, proj_low_rank_dim=32, gate_low_rank_dim=64, norm_eps=1e-5):
        super().__init__()
        self.num_heads, D, rank = num_heads, hidden_size, proj_low_rank_dim
        K, V = round(D * expand_k), round(D * expand_v)
        self.x_proj = nn.Sequential(_Of(_linear(D, 5 * rank), torch.zeros(D)), nn.Tanh(), _linear(5 * rank, D))
        self.x_bias, self.bonus = nn.Parameter(torch.zeros(5, D)), nn.Parameter(torch.zeros(num_heads, K // num_heads))
        self.r_proj, self.k_proj, self.v_proj, self.g_proj = (_Of(_linear(D, o)) for o in (K, K, V, V))
        self.w_proj = _Of(_LowRank(D, K, gate_low_rank_dim, nn.Tanh()))
        self.g_norm, self.o_proj = _HeadNorm(V, norm_eps), _linear(V, D)

    def forward(self, u):
        past = _shift(u)
        mixed = torch.tanh(self.x_proj[0](u + past * self.x_proj[0].mu)).unflatten(-1, (5, -1))
        shares = torch.einsum("btir,dir->ibtd", mixed, self.x_proj[2].weight.unflatten(-1, (5, -1))) + self.x_bias[:, None, None]
        r, w, k, v, g = u + past * shares  # in this order
        w = -torch.exp(_gate(self.w_proj(w), u))
        r, k, v, w = (_heads(x, self.num_heads) for x in (self.r_proj(r), self.k_proj(k), self.v_proj(v), w))
        y = self.g_norm(_mix("rwkv6", r, k, v, w, self.bonus))
        return self.o_proj(y * F.silu(self.g_proj(g)))


class RWKV7Attention(nn.Module):
    """RWKV-7, arXiv:2503.14456. forward(u, v_first) gives (o, v_first): layers behind the first (layer_idx > 0) take that of the first."""

    def __init__(self, hidden_size, num_heads, layer_idx=0, decay_low_rank_dim=8, gate_low_rank_dim=8, a_low_rank_dim=8, v_low_rank_dim=8, norm_eps=1e-5):
        super().__init__()
        self.num_heads, self.layer_idx = num_heads, layer_idx
        D, n = hidden_size, hidden_size // num_heads
        for name in "rwkvag":
            setattr(self, "x_" + name, nn.Parameter(torch.full((1, 1, D), 0.5)))
        self.k_k, self.k_a, self.r_k = nn.Parameter(torch.full((D,), 0.85)), nn.Parameter(torch.ones(D)), nn.Parameter(torch.zeros(num_heads, n))
        self.r_proj, self.k_proj, self.v_proj, self.o_proj = (_linear(D, D) for _ in range(4))
        self.w_lora, self.a_lora = _LowRank(D, D, decay_low_rank_dim, nn.Tanh()), _LowRank(D, D, a_low_rank_dim)
        self.g_lora = _LowRank(D, D, gate_low_rank_dim, nn.Sigmoid(), bias=False)
        self.v_lora = _LowRank(D, D, v_low_rank_dim) if layer_idx > 0 else None
        self.g_norm = _HeadNorm(D, n * norm_eps)

    def forward(self, u, v_first=None):
        past = _shift(u)
        r, w, k, v, a, g = (u + past * getattr(self, "x_" + name) for name in "rwkvag")
        r, k, v = self.r_proj(r), self.k_proj(k), self.v_proj(v)
        log_decay = -math.exp(-0.5) * torch.sigmoid(_gate(self.w_lora(w), u))
        if self.v_lora is None:
            v_first = v
        else:
            v = v + (v_first - v) * torch.sigmoid(self.v_lora((u + past * self.x_v)))
        a, g = torch.sigmoid(self.a_lora(a)), self.g_lora(g)
        removed = F.normalize(_heads(k * self.k_k, self.num_heads), dim=-1, eps=1e-12)
        k = k * (1 + (a - 1) * self.k_a)
        r, log_decay, k, v_heads, a = (_heads(x, self.num_heads) for x in (r, log_decay, k, v, a))
        y = self.g_norm(_mix("rwkv7", r, k, v_heads, log_decay=log_decay, a=removed * a, c=-removed))
        y = y + ((r * k * self.r_k).sum(-1, keepdim=True) * v_heads).flatten(-2)
        return self.o_proj(y * g), v_first


class MLSTM(nn.Module):
    """mLSTM of xLSTM, arXiv:2405.04517, with the names of the published 7B layer; gates are capped at gate_soft_cap."""

    def __init__(self, hidden_size, num_heads, qk_dim_factor=0.5, v_dim_factor=1.0, gate_soft_cap=15.0, norm_eps=1e-6):
        super().__init__()
        self.num_heads, self.gate_soft_cap = num_heads, gate_soft_cap
        K, V = round(hidden_size * qk_dim_factor), round(hidden_size * v_dim_factor)
        self.q, self.k, self.v, self.ogate_preact = (_linear(hidden_size, o) for o in (K, K, V, V))
        self.igate_preact, self.fgate_preact = _linear(hidden_size, num_heads, True), _linear(hidden_size, num_heads, True)
        self.out_proj, self.multihead_norm = _linear(V, hidden_size), _HeadNorm(V, norm_eps, bias=False)

    def _capped(self, x):
        return self.gate_soft_cap * torch.tanh(x / self.gate_soft_cap)

    def forward(self, u):
        q, k, v = (_heads(p(u), self.num_heads) for p in (self.q, self.k, self.v))
        forget = F.logsigmoid(_gate(self._capped(self.fgate_preact(u)), v))
        y = self.multihead_norm(_mix("mlstm", q, k, v, log_decay=forget, input_gate=_gate(self._capped(self.igate_preact(u)), v)))
        return self.out_proj(torch.sigmoid(self.ogate_preact(u)) * y)


def _complex(x):
    """Pairs (.., 2) as complex numbers."""
    return torch.view_as_complex(_gate(x, x).contiguous())


class LRU(nn.Module):
    """LRU, arXiv:2303.06349, with minimal-LRU's names: h = lambda h + exp(gamma_log) B u, o = Re(C h) + D u, of d_hidden modes,
    lambda = exp(-exp(nu_log) + i exp(theta_log))."""

    def __init__(self, d_model, d_hidden, r_min=0.9, r_max=0.99, max_phase=6.28):
        super().__init__()
        nu = (-0.5 * (torch.rand(d_hidden) * (r_max**2 - r_min**2) + r_min**2).log()).log()
        self.nu_log, self.theta_log = nn.Parameter(nu), nn.Parameter((max_phase * (1 - torch.rand(d_hidden))).log())
        self.gamma_log = nn.Parameter(0.5 * torch.log(-torch.expm1(-2 * nu.exp())))
        self.B_re, self.B_im = (nn.Parameter(torch.randn(d_hidden, d_model) / (2 * d_model) ** 0.5) for _ in range(2))
        self.C_re, self.C_im = (nn.Parameter(torch.randn(d_model, d_hidden) / d_hidden**0.5) for _ in range(2))
        self.D = nn.Parameter(torch.randn(d_model))

    def forward(self, u):
        modes = len(self.nu_log)
        re, im = (F.linear(u, w) for w in (self.B_re, self.B_im))
        k = torch.complex(_gate(re, re), _gate(im, im)) * self.gamma_log.exp()  # there are no complex bfloat16
        read = torch.tensor([1, -1j], dtype=k.dtype, device=k.device)  # heads 2 j and 2 j + 1 read Re h_j and Im h_j
        q = read.repeat(modes)[:, None].expand(*u.shape[:2], 2 * modes, 1)
        h = _mix("s5", q, k[..., None], torch.ones_like(k.real)[..., None], -self.nu_log.exp()[:, None], self.theta_log.exp()[:, None])
        h = h.to(u.dtype)
        return F.linear(h[:, :, 0::2, 0], self.C_re) - F.linear(h[:, :, 1::2, 0], self.C_im) + self.D * u


class S4(nn.Module):
    """S4, arXiv:2111.00396, with annotated-s4's names, a system of n modes for each channel: A = diag(Lambda) - P P^*, discretised bilinearly
    with step exp(log_step); o = Re(C h) + D u. A holds n^2 numbers a channel."""

    def __init__(self, d_model, n):
        super().__init__()
        at = torch.arange(n, dtype=torch.float64)
        B, P = (2 * at + 1).sqrt(), (at + 0.5).sqrt()
        S = -(B[:, None] * B).tril(-1) - torch.diag(at + 1) + P[:, None] * P  # HiPPO-LegS and its correction: -1/2 and a skew matrix
        frequencies, V = torch.linalg.eigh(-1j * (S - torch.diag(S.diagonal())))
        channels = lambda x: nn.Parameter(x.to(torch.get_default_dtype()).expand(d_model, *x.shape).clone())
        pairs = lambda x: channels(torch.view_as_real(V.mH @ x.to(V.dtype)))
        self.Lambda_re, self.Lambda_im = channels(torch.full_like(at, -0.5)), channels(frequencies)
        self.P, self.B, self.C = pairs(P), pairs(B), nn.Parameter(torch.randn(d_model, n, 2) * 0.5**0.5)
        self.log_step = nn.Parameter(torch.rand(d_model) * math.log(100) + math.log(1e-3))
        self.D = nn.Parameter(torch.ones(d_model))

    def forward(self, u):
        P, B, C = _complex(self.P), _complex(self.B), _complex(self.C)
        modes = torch.complex(_gate(self.Lambda_re, u).clamp(max=-1e-4), _gate(self.Lambda_im, u))
        half, one = _gate(self.log_step, u).exp()[:, None, None] / 2, torch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
        X = torch.linalg.inv(one - half * (torch.diag_embed(modes) - P[..., None] * P[:, None].conj()))
        k = 2 * half[..., 0] * (X @ B[..., None])[..., 0]
        wide = (*u.shape[:2], *C.shape)
        return _mix("s4", C.expand(wide), k.expand(wide), u[..., None], 2 * X - one)[..., 0].to(u.dtype) + self.D * u
