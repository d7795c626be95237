// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/math.hpp"
#include "../device.cuh"

/// float whose functions are the device's fast ones, within 2e-4: for readout maps whose weights are rounded to 16 bits anyway.
/// Policies are generic over their number, so every map, users' too, has its fast version.
namespace coefdyn::cuda {

struct rough {
  float x = 0;
  constexpr rough() = default;
  template <class A>
    requires std::is_arithmetic_v<A>
  COEFDYN_HD constexpr explicit rough(A value) : x(static_cast<float>(value)) {}
  COEFDYN_HD constexpr explicit operator float() const { return x; }

  COEFDYN_HD friend constexpr rough operator+(rough a, rough b) { return rough(a.x + b.x); }
  COEFDYN_HD friend constexpr rough operator-(rough a, rough b) { return rough(a.x - b.x); }
  COEFDYN_HD friend constexpr rough operator-(rough a) { return rough(-a.x); }
  COEFDYN_HD friend constexpr rough operator*(rough a, rough b) { return rough(a.x * b.x); }
  __device__ friend rough operator/(rough a, rough b) { return rough(__fdividef(a.x, b.x)); }
  COEFDYN_HD constexpr rough& operator+=(rough b) { return *this = *this + b; }
  COEFDYN_HD constexpr rough& operator-=(rough b) { return *this = *this - b; }
  COEFDYN_HD constexpr rough& operator*=(rough b) { return *this = *this * b; }
  COEFDYN_HD friend constexpr bool operator<(rough a, rough b) { return a.x < b.x; }
  COEFDYN_HD friend constexpr bool operator>(rough a, rough b) { return a.x > b.x; }
  COEFDYN_HD friend constexpr bool operator<=(rough a, rough b) { return a.x <= b.x; }
  COEFDYN_HD friend constexpr bool operator>=(rough a, rough b) { return a.x >= b.x; }
  COEFDYN_HD friend constexpr bool operator==(rough a, rough b) { return a.x == b.x; }
};

// The names under which math:: finds them.
__device__ inline rough own_exp(rough s) { return rough(__expf(s.x)); }
__device__ inline rough own_expm1(rough s) { return rough(::expm1f(s.x)); }
__device__ inline rough own_log(rough s) { return rough(__logf(s.x)); }
__device__ inline rough own_log1p(rough s) { return rough(::log1pf(s.x)); }
__device__ inline rough own_tanh(rough s) {  // 1 - 2 / (1 + e^(2 |s|)) cancels near 0
  const float square = s.x * s.x, size = ::fabsf(s.x);
  const float near = s.x * (1.f + square * (-0.3333333f + square * 0.1333333f));
  const float far = ::copysignf(1.f - __fdividef(2.f, 1.f + __expf(2.f * ::fminf(size, 20.f))), s.x);
  return rough(size < 0.2f ? near : far);
}
__device__ inline rough own_sqrt(rough s) { return rough(::sqrtf(s.x)); }
__device__ inline rough own_sin(rough s) { return rough(::sinf(s.x)); }
__device__ inline rough own_cos(rough s) { return rough(::cosf(s.x)); }
__device__ inline rough own_positive_part(rough s) {  // one instruction, where a comparison and a choice would be two
  float part;
  asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(part) : "f"(s.x));
  return rough(part);
}
__device__ inline rough own_softplus(rough s) {  // log(1 + e) = e P(e) on [0, 1]: a logarithm would cost as much as all else
  const float e = __expf(-::fabsf(s.x));
  return rough(
      fmaf(e, fmaf(e, fmaf(e, fmaf(e, fmaf(e, 0.0406634f, -0.1560295f), 0.3054000f), -0.4967887f), 0.9999368f), ::fmaxf(s.x, 0.f)));
}

}  // namespace coefdyn::cuda
