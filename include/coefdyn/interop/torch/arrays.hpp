// SPDX-License-Identifier: MIT
#pragma once
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <string>

#include "../table.hpp"

/// PyTorch's tensors as views and as arrays of a table's calls. Nothing is copied; a view lasts as long as the tensor.
namespace coefdyn::interop {

/// A tensor's type of numbers.
inline number number_of(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return number::bfloat16;
    case at::kHalf:
      return number::float16;
    case at::kFloat:
      return number::float32;
    case at::kDouble:
      return number::float64;
    case at::kComplexFloat:
      return number::complex64;
    case at::kComplexDouble:
      return number::complex128;
    case at::kInt:
      return number::int32;
    case at::kLong:
      return number::int64;
    default:
      return number::other;
  }
}

/// A tensor of any rank and type; one that is not defined is not given.
inline array as_array(const at::Tensor& t) {
  array a;
  if (!t.defined()) return a;
  a.given = true, a.data = t.numel() > 0 ? t.data_ptr() : nullptr;
  a.of = number_of(t.scalar_type()), a.rank = static_cast<int>(t.dim());
  for (int i = 0; i < a.rank && i < 5; ++i) a.extents[i] = t.size(i), a.strides[i] = t.stride(i);
  return a;
}

/// A tensor as a view: `x.q = interop::as_view<const float, 4>(q)`. Any strides; complex numbers are coefdyn::complex.
///
/// error   invalid_input for another rank or another type of numbers
template <class T, int Rank>
view<T, Rank> as_view(const at::Tensor& t) {
  return detail::typed<T, Rank>(as_array(t), "", "tensor");
}

namespace detail {

/// The type of an operator's rows: of q, or of its parts where q is complex.
inline at::ScalarType row_type(const mixer_table& m, const at::Tensor& q) {
  return m.complex_rows && q.is_complex() ? c10::toRealValueType(q.scalar_type()) : q.scalar_type();
}
/// The type of sums, of the running maximum and, made complex where the evolution is, of states.
inline at::ScalarType sum_type(const mixer_table& m, const at::Tensor& q) {
  return row_type(m, q) == at::kDouble ? at::kDouble : at::kFloat;
}
inline at::ScalarType state_type(const mixer_table& m, const at::Tensor& q) {
  return m.complex_state ? c10::toComplexType(sum_type(m, q)) : sum_type(m, q);
}

/// The current stream of a device, as CUDA has it. Nothing of CUDA's headers is needed, so that a unit compiled against one build of
/// PyTorch compiles against all.
///
/// error   c10::Error where PyTorch has no CUDA
template <class Stream>
void* native_stream(const Stream& current) {
  if constexpr (requires { current.native_handle(); }) {
    return current.native_handle();
  } else {  // before PyTorch 2.11 a c10::Stream has no such member, and the class around it, of that one member, is in the library of CUDA
    using function = void* (*)(const Stream*);
    static const auto handle = [] {
      void* const library = dlopen("libc10_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
      return reinterpret_cast<function>(library ? dlsym(library, "_ZNK3c104cuda10CUDAStream6streamEv") : nullptr);
    }();
    TORCH_CHECK(handle, "coefdyn: expected a PyTorch with CUDA, given one without libc10_cuda.so");
    return handle(&current);
  }
}

/// What a call needs beside its arrays: workspaces of PyTorch's memory, and PyTorch's threads or its current stream of the device.
struct torch_call : table_call {
  at::Device device;
  at::Tensor memory;
  c10::OptionalDeviceGuard current;
  /// `products`: of the call, about; few of them are not worth waking threads.
  torch_call(at::Device on, double products) : device(on) {
    owner = this;
    allocate = [](void* self, std::size_t bytes) {
      auto& call = *static_cast<torch_call*>(self);
      call.memory = at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).device(call.device));
      return static_cast<std::byte*>(call.memory.data_ptr());
    };
    if (device.is_cpu()) {
      constexpr double worth_a_thread = 1 << 16;
      const int threads = at::in_parallel_region() ? 1 : at::get_num_threads();
      workers = products < threads * worth_a_thread ? 1 + static_cast<int>(products / worth_a_thread) : threads;
      if (workers > threads) workers = threads;
      spread = [](int count, void (*part)(void*, int), void* job) {
        at::parallel_for(0, count, 1, [&](std::int64_t from, std::int64_t to) {
          for (std::int64_t worker = from; worker < to; ++worker) part(job, static_cast<int>(worker));
        });
      };
    } else {
      current.reset_device(device);
      stream = native_stream(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
    }
  }
  torch_call(const torch_call&) = delete;
  torch_call& operator=(const torch_call&) = delete;
};
}  // namespace detail

}  // namespace coefdyn::interop
