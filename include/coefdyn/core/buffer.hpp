// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "tensor.hpp"

/// Memory that has a place: numbers on the host or on a GPU, by their type.
///
/// ```cpp statements
/// buffer<float> numbers(1000);                     // zeros, on the host
/// buffer<float> copy = numbers;                    // deep, as std::vector's
/// view q(numbers, 1, 10, 4, 25);
/// ```
///
/// cuda/memory.cuh has the memory of a GPU. A space of yours meets `memory_space`.
namespace coefdyn {

/// Where memory lies.
namespace memory {
/// The host's memory, which begins on a cache line, as wide vectors want it.
struct host {
  static constexpr bool on_host = true;
  /// error   std::bad_alloc
  static void* allocate(std::size_t bytes) { return ::operator new(bytes, std::align_val_t(64)); }
  static void release(void* p) { ::operator delete(p, std::align_val_t(64)); }
  static void clear(void* p, std::size_t bytes) { std::memset(p, 0, bytes); }
  static void copy(void* to, const void* from, std::size_t bytes) { std::memmove(to, from, bytes); }
  static void bring(void* to, const void* from_host, std::size_t bytes) { copy(to, from_host, bytes); }
  static void fetch(void* to_host, const void* from, std::size_t bytes) { copy(to_host, from, bytes); }
  /// Element by element between views of any strides and the same extents, which share no element.
  template <class T, int Rank>
  static void copy(const view<T, Rank>& to, const view<const T, Rank>& from) {
    copy_axes<0>(to, to.data, from.data, from.strides);
  }

 private:
  template <int Axis, class T, int Rank>
  static void copy_axes(const view<T, Rank>& to, T* out, const T* in, const idx* strides) {
    if constexpr (Axis == Rank) {
      *out = *in;
    } else if (Axis + 1 == Rank && to.strides[Axis] == 1 && strides[Axis] == 1) {
      std::memcpy(out, in, static_cast<std::size_t>(to.extents[Axis]) * sizeof(T));
    } else {
      for (idx i = 0; i < to.extents[Axis]; ++i) copy_axes<Axis + 1>(to, out + i * to.strides[Axis], in + i * strides[Axis], strides);
    }
  }
};
}  // namespace memory

/// A place for memory: allocate, release, clear (zero bytes), copy within it (bytes, or views of any strides), bring from the host, fetch
/// to it. Where work is queued, all of it is in the order of the calls.
template <class S>
concept memory_space = std::default_initializable<S> && std::copyable<S> &&
                       requires(const S& s, void* p, const void* q, std::size_t bytes, view<float, 2> to, view<const float, 2> from) {
                         { std::bool_constant<S::on_host>{} };
                         { s.allocate(bytes) } -> std::same_as<void*>;
                         s.release(p), s.clear(p, bytes), s.copy(p, q, bytes), s.copy(to, from), s.bring(p, q, bytes), s.fetch(p, q, bytes);
                       };

/// Whether the host cannot read a space's memory, which says so by `static constexpr bool host_reaches = false`.
template <class Space>
constexpr bool out_of_reach = false;
template <class Space>
  requires requires { Space::host_reaches; }
constexpr bool out_of_reach<Space> = !Space::host_reaches;

/// The memory that a device's calls read and write; those of device::cuda specialise it.
template <class Device>
struct memory_of_device {
  using type = memory::host;
};
/// The same, by its name.
template <class Device>
using memory_of = typename memory_of_device<Device>::type;

/// In the place of a buffer's first argument: memory whose elements have no value yet.
struct without_values {};

/// An array that owns its memory: `size` elements in a space, zero at first. Copies are deep; a moved one is left empty. Without elements
/// it has no memory. An assignment between equal sizes allocates nothing and is the work of the space assigned to; another takes the
/// source's space over.
///
/// error   std::bad_alloc, or what the space throws
template <class T, memory_space Space = memory::host>
class buffer {
  static_assert(std::is_trivially_copyable_v<T>, "coefdyn: buffer<T> copies bytes, so T has to be trivially copyable.");

 public:
  using value_type = T;
  using space_type = Space;

  buffer() = default;
  /// `size` zeros.
  explicit buffer(std::size_t size, const Space& where = {}) : buffer(without_values{}, size, where) {
    if (size_ > 0) where_.clear(data_, bytes());
  }
  /// `size` times `value`.
  buffer(std::size_t size, const T& value, const Space& where = {}) : buffer(without_values{}, size, where) {
    if constexpr (Space::on_host)
      for (T& x : *this) x = value;
    else if (size_ > 0) *this = buffer(buffer<T>(size, value), where);
  }
  /// Elements without values, as a workspace is: nothing is written.
  buffer(without_values, std::size_t size, const Space& where = {}) : size_(size), where_(where) {
    if (size > std::size_t(-1) / 2 / sizeof(T)) COEFDYN_THROW std::bad_array_new_length();
    if (size > 0) data_ = static_cast<T*>(where_.allocate(size * sizeof(T)));
  }
  /// The values, brought from the host.
  buffer(std::initializer_list<T> values, const Space& where = {}) : buffer(without_values{}, values.size(), where) {
    if (size_ > 0) where_.bring(data_, values.begin(), bytes());
  }
  /// The numbers of another space.
  template <class Other>
    requires(!std::is_same_v<Other, Space>)
  explicit buffer(const buffer<T, Other>& o, const Space& where = {}) : buffer(without_values{}, o.size(), where) {
    if (size_ == 0) return;
    if constexpr (Other::on_host) where_.bring(data_, o.data(), bytes());
    else if constexpr (Space::on_host) o.where().fetch(data_, o.data(), bytes());
    else where_.bring(data_, buffer<T>(o).data(), bytes());
  }
  /// A deep copy in the same space.
  buffer(const buffer& o) : buffer(without_values{}, o.size_, o.where_) {
    if (size_ > 0) where_.copy(data_, o.data_, bytes());
  }
  buffer(buffer&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), where_(o.where_) {}
  buffer& operator=(const buffer& o) {
    if (this == &o) return *this;
    if (size_ != o.size_) return *this = buffer(o);
    if (size_ > 0) where_.copy(data_, o.data_, bytes());
    return *this;
  }
  buffer& operator=(buffer&& o) noexcept {
    buffer taken(std::move(o));
    std::swap(data_, taken.data_), std::swap(size_, taken.size_), std::swap(where_, taken.where_);
    return *this;
  }
  buffer& operator=(std::initializer_list<T> values) {
    if (size_ != values.size()) return *this = buffer(values, where_);
    if (size_ > 0) where_.bring(data_, values.begin(), bytes());
    return *this;
  }
  ~buffer() {
    if (data_) where_.release(data_);
  }

  /// The first element, or null where there is none.
  T* data() { return data_; }
  const T* data() const { return data_; }
  /// Elements, not bytes.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// The space, with what it holds (a stream).
  const Space& where() const { return where_; }

  /// Element i, unchecked, of memory that the host reads; so are the rest.
  T& operator[](std::size_t i)
    requires(Space::on_host)
  {
    return data_[i];
  }
  const T& operator[](std::size_t i) const
    requires(Space::on_host)
  {
    return data_[i];
  }
  T& back()
    requires(Space::on_host)
  {
    return data_[size_ - 1];
  }
  T* begin()
    requires(Space::on_host)
  {
    return data_;
  }
  const T* begin() const
    requires(Space::on_host)
  {
    return data_;
  }
  T* end()
    requires(Space::on_host)
  {
    return data_ + size_;
  }
  const T* end() const
    requires(Space::on_host)
  {
    return data_ + size_;
  }
  friend bool operator==(const buffer& a, const buffer& b)
    requires(Space::on_host)
  {
    for (std::size_t i = 0; i < a.size_ && a.size_ == b.size_; ++i)
      if (!(a.data_[i] == b.data_[i])) return false;
    return a.size_ == b.size_;
  }

 private:
  std::size_t bytes() const { return size_ * sizeof(T); }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  [[no_unique_address]] Space where_{};
};

}  // namespace coefdyn
