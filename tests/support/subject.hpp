// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/names.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "problem.hpp"

/// A subject is a mixer with its number types behind one function: laws are compiled once and run over all subjects, so a new
/// mixer is one line in laws/mixers/ and no line of test code.
namespace coefdyn::laws {

enum class form_name { definition, parallel, recurrent, chunkwise, step, automatic };
constexpr form_name every_form[] = {form_name::definition, form_name::parallel, form_name::recurrent,
                                    form_name::chunkwise,  form_name::step,     form_name::automatic};
struct form_choice {
  form_name name = form_name::definition;
  int length = 0;  // of a chunk
};
std::string to_string(form_choice f);

/// One executor for all runs, so that each mixer is compiled with one: in turn, OpenMP, or threads that take items backwards.
struct test_executor {
  enum class kind { in_turn, open_mp, backwards } how = kind::in_turn;
  int threads = 1;
  int workers() const { return threads; }
  template <class F>
  void operator()(idx count, F f) const {
    each(count, std::ref(f));
  }

 private:
  void each(idx count, const std::function<void(idx, int)>& f) const;
};

/// How a call is made beside its numbers.
struct request {
  form_choice form;
  test_executor executor;
  std::uint64_t strides = 0;  // 0: row-major; else a seed of random strides, offsets and signs
  std::optional<state_numbers> initial;
  bool want_final = false;
  bool in_place = false;         // initial and final state in one memory
  std::vector<idx> positions;    // where states are captured
  bool wide_output = false;      // y in the arithmetic's type instead of the storage type
  bool small_workspace = false;  // one byte less than asked for
};
/// Gradients by stream, as shaped as the streams; of the unscaled initial state where one came in.
struct gradient_numbers {
  std::map<std::string, std::vector<double>> of;
  state_numbers initial;
};
struct outcome {
  std::vector<double> y, y_tangent;  // (B, T, readers, d)
  state_numbers final, captured;
};

enum class scalar_kind { float64, float32, brain16, half16, dual64 };
/// Numbers in a caller's memory: NaN wherever no element lies.
struct memory {
  std::vector<std::byte> bytes;
  idx offset = 0;  // of the first element
  idx strides[5] = {};
};
idx bytes_of(scalar_kind kind);
/// A tensor laid out in memory, row-major or with strides from a seed; an axis along which nothing changes may get stride 0.
memory laid_out(const std::vector<idx>& shape, const std::vector<double>* value, const std::vector<double>* tangent, scalar_kind kind,
                int parts, std::uint64_t strides);
void read_back(const memory& m, const std::vector<idx>& shape, scalar_kind kind, int parts, std::vector<double>& value,
               std::vector<double>* tangent);
double rounded_to(scalar_kind kind, double v);

struct subject {
  mixer_info info;
  std::string types;
  scalar_kind storage{}, gate{}, accumulate{}, state_kind{};
  bool rounds_factors = false;  // of products, where the machine multiplies bf16
  virtual ~subject() = default;
  virtual bool has(form_name f) const = 0;
  virtual outcome run(const problem& p, const request& r) const = 0;
  /// Gradients of <dy, y> + <final, S_T, z_T unscaled>; in double only.
  virtual gradient_numbers backward(const problem& p, const request& r, const std::vector<double>& dy,
                                    const state_numbers* final) const = 0;
  std::string name() const { return info.name + " <" + types + ">"; }
  scalar_kind kind_of(const stream_info& s) const { return s.is_storage ? storage : gate; }
  double starting_maximum() const { return info.floored ? 0.0 : double(std::numeric_limits<float>::lowest()); }
  /// The forms that exist, chunkwise in several lengths.
  std::vector<form_choice> forms() const;
  /// Rounds a problem's numbers to what this subject stores.
  void round(problem& p) const;
};

/// All subjects of the program, in a fixed order.
const std::vector<std::unique_ptr<subject>>& subjects();
std::vector<std::unique_ptr<subject>>& registered();
/// Set by the program of all mixers (laws/every_named_mixer.cpp); those of a few may leave a law without a subject.
bool& has_every_mixer();
/// The subject of the same mixer with other types; null where there is none.
const subject* twin(const subject& s, const std::string& types);
/// Its twin in double, whose definition is the truth.
const subject& truth_of(const subject& s);

// ---- the one template: a mixer with its types -----------------------------------------------------------------------------
namespace detail {

template <class T>
constexpr scalar_kind kind_v = std::is_same_v<T, double>  ? scalar_kind::float64
                               : std::is_same_v<T, float> ? scalar_kind::float32
                               : std::is_same_v<T, bf16>  ? scalar_kind::brain16
                               : std::is_same_v<T, half>  ? scalar_kind::half16
                                                          : scalar_kind::dual64;
template <class T>
constexpr const char* type_name = "double";
template <>
inline constexpr const char* type_name<float> = "float";
template <>
inline constexpr const char* type_name<bf16> = "bf16";
template <>
inline constexpr const char* type_name<half> = "half";
template <>
inline constexpr const char* type_name<dual<double>> = "dual";

template <class Need>
stream_info info_of() {
  return {Need::tag::name, Need::time, Need::inner, Need::heads, Need::over == field::complex, Need::tag::held_in == precision::storage};
}
template <class M, class Needs>
struct infos;
template <class M, class... Need>
struct infos<M, list<Need...>> {
  static std::vector<stream_info> streams() { return {info_of<Need>()...}; }
};

/// A state in the subject's types, and back.
template <class M, class Types>
struct held_state {
  using real = typename Types::accumulate;
  using element = state_element<M, typename Types::state>;
  static constexpr int parts = traits<M>::complex_state ? 2 : 1;
  static constexpr scalar_kind kind = kind_v<typename Types::state>, real_kind = kind_v<real>;
  state_numbers shape;
  memory S, z, m;
  std::vector<idx> position;

  explicit held_state(const state_numbers& s) : shape(s), position(s.position) {
    S = laid_out({idx(s.S.size() / parts)}, &s.S, nullptr, kind, parts, 0);
    z = laid_out({idx(s.z.size() / parts)}, &s.z, nullptr, kind, parts, 0);
    m = laid_out({idx(s.m.size())}, &s.m, nullptr, real_kind, 1, 0);
  }
  template <class T>
  static T* data(memory& x) {
    return reinterpret_cast<T*>(x.bytes.data()) + x.offset;
  }
  mutable_state<M, Types> view_() {
    mutable_state<M, Types> v;
    v.S = view<element, 4>(data<element>(S), shape.sequences, shape.heads, shape.n, shape.d);
    if (!shape.z.empty()) v.z = view<element, 3>(data<element>(z), shape.sequences, shape.heads, shape.n);
    if (!shape.m.empty()) v.m = view<real, 2>(data<real>(m), shape.sequences, shape.heads);
    v.position = view<idx, 1>(position.data(), shape.sequences);
    return v;
  }
  state_numbers numbers() const {
    state_numbers s = shape;
    read_back(S, {idx(s.S.size() / parts)}, kind, parts, s.S, nullptr);
    read_back(z, {idx(s.z.size() / parts)}, kind, parts, s.z, nullptr);
    read_back(m, {idx(s.m.size())}, real_kind, 1, s.m, nullptr);
    s.position = position;
    return s;
  }
};

void check_gaps(const memory& y, scalar_kind kind, int parts, const std::vector<idx>& shape, const std::string& who);
state_numbers nan_state(const mixer_info& m, idx sequences, const sizes& z);

template <class M, class Types, class Heads, field Over>
struct subject_of final : subject {
  using X = tokens<M, Types, Heads, Over>;

  explicit subject_of(const std::string& mixer_name) {
    using traits_ = traits<M>;
    info.name = mixer_name;
    info.policies = name_of<M>();
    info.complex_queries = Over == field::complex;
    info.streams = infos<M, typename X::needs>::streams();
    info.structure = traits_::structure;
    info.linear = traits_::linear, info.structured = traits_::structured, info.chunkable = is_chunkable<M>;
    info.needs_sum = traits_::needs_sum, info.floored = traits_::floored;
    info.stabilised = traits_::stabilised, info.exponential_input = traits_::exponential, info.complex_state = traits_::complex_state;
    info.exponential_readout = traits_::needs_max;
    info.normalised = traits_::needs_sum || requires { M::normalization::log_inverse; };
    info.nonnegative_features = false;
    if constexpr (requires { M::feature_map::is_nonnegative; })
      info.nonnegative_features =
          M::feature_map::is_nonnegative && traits_::structure.correction == rank_one::none && !traits_::complex_state;
    info.normalised_features =
        std::is_same_v<typename M::feature_map, feature::l2> || std::is_same_v<typename M::feature_map, feature::softmax>;
    info.micro = traits_::micro, info.writes = traits_::writes;
    info.grouped_values = std::is_same_v<Heads, heads::grouped_values>;
    storage = kind_v<typename Types::storage>, gate = kind_v<typename Types::gate>;
    accumulate = kind_v<typename Types::accumulate>, state_kind = kind_v<typename Types::state>;
    rounds_factors = cpu::rounds_factors<M, typename Types::accumulate, X>;
    types = type_name<typename Types::storage>;
    if (info.grouped_values) types += ", grouped values";
  }

  bool has(form_name f) const override {
    switch (f) {
      case form_name::parallel:
        return form_exists<form::parallel, M>;
      case form_name::recurrent:
        return form_exists<form::recurrent, M>;
      case form_name::chunkwise:
        return form_exists<form::chunkwise, M>;
      default:
        return true;
    }
  }

  outcome run(const problem& p, const request& r) const override {
    X x;
    std::vector<memory> inputs;
    inputs.reserve(info.streams.size());
    bind_all(x, p, r.strides, inputs, typename X::needs{});
    x.first_read = p.size.first_read;
    std::vector<std::int32_t> narrow(p.offsets.begin(), p.offsets.end());
    if (!p.offsets.empty()) {
      if (p.narrow_offsets) x.cu_seqlens = std::span<const std::int32_t>(narrow);
      else x.cu_seqlens = std::span<const std::int64_t>(p.offsets);
    }
    if (r.wide_output) return with_output<typename Types::accumulate>(x, p, r);
    return with_output<typename Types::storage>(x, p, r);
  }

  gradient_numbers backward(const problem& p, const request& r, const std::vector<double>& dy, const state_numbers* final) const override {
    if constexpr (std::is_same_v<Types, coefdyn::types<double>>) {
      X x;
      std::vector<memory> inputs, outputs;
      inputs.reserve(info.streams.size()), outputs.reserve(info.streams.size());
      bind_all(x, p, r.strides, inputs, typename X::needs{});
      if (!p.offsets.empty()) x.cu_seqlens = std::span<const std::int64_t>(p.offsets);
      gradients<M, Types, Heads, Over> g;
      bind_gradients(g, p, r.strides, outputs, typename X::needs{});
      carry<M, Types> c;
      state_gradients<M, Types> s;
      std::optional<held_state<M, Types>> initial, last, first;
      if (r.initial) {
        c.initial = initial.emplace(*r.initial).view_();
        s.initial = first.emplace(nan_state(info, p.sequences(), p.size)).view_();
      }
      if (final) s.final = last.emplace(*final).view_();
      const view<const double, 4> upstream(dy.data(), p.size.batch, p.size.time, idx(p.size.readers()), idx(p.size.d));
      const auto go = [&](auto form_) {
        if constexpr (form_exists<decltype(form_), M>) {
          const device::cpu<test_executor> on{r.executor};
          std::vector<std::byte> scratch(backward_workspace_bytes(on, form_, x), std::byte{0xff});
          coefdyn::backward(on, form_, x, upstream, g, c, s, workspace(scratch));
        }
      };
      with_form(r.form, go);
      gradient_numbers out;
      for (std::size_t i = 0; i < info.streams.size(); ++i) {
        const tensor& t = p.x.at(info.streams[i].name);
        check_gaps(outputs[i], kind_of(t.info), t.parts(), t.shape, name());
        read_back(outputs[i], t.shape, kind_of(t.info), t.parts(), out.of[info.streams[i].name], nullptr);
      }
      if (first) out.initial = first->numbers();
      return out;
    } else {
      throw std::logic_error(name() + ": gradients are tested in double");
    }
  }

 private:
  template <class... Need>
  void bind_all(X& x, const problem& p, std::uint64_t strides, std::vector<memory>& inputs, list<Need...>) const {
    std::uint64_t seed = strides;
    (
        [&] {
          using T = coefdyn::detail::stored_as<Need, Types>;
          auto& v = const_cast<stream_view<Need, const T>&>(x.template of<Need>());
          const tensor& t = p.x.at(Need::tag::name);
          inputs.push_back(
              laid_out(t.shape, &t.value, t.tangent.empty() ? nullptr : &t.tangent, kind_of(t.info), t.parts(), seed ? seed++ : 0));
          const memory& m = inputs.back();
          v.data = reinterpret_cast<const T*>(m.bytes.data()) + m.offset;
          for (int a = 0; a < Need::rank; ++a) v.extents[a] = t.shape[std::size_t(a)], v.strides[a] = m.strides[a];
        }(),
        ...);
  }

  template <class G, class... Need>
  void bind_gradients(G& g, const problem& p, std::uint64_t strides, std::vector<memory>& outputs, list<Need...>) const {
    std::uint64_t seed = strides ? strides + 500 : 0;
    (
        [&] {
          using T = coefdyn::detail::stored_as<Need, Types>;
          const tensor& t = p.x.at(Need::tag::name);
          outputs.push_back(laid_out(t.shape, nullptr, nullptr, kind_of(t.info), t.parts(), seed ? seed++ : 0));
          memory& m = outputs.back();
          view<T, Need::rank> v;
          v.data = reinterpret_cast<T*>(m.bytes.data()) + m.offset;
          for (int a = 0; a < Need::rank; ++a) v.extents[a] = t.shape[std::size_t(a)], v.strides[a] = m.strides[a];
          g.template set<Need>(v);
        }(),
        ...);
  }

  template <class Out>
  outcome with_output(const X& x, const problem& p, const request& r) const {
    const std::vector<idx> shape{p.size.batch, p.size.time - p.size.first_read, p.size.readers(), p.size.d};
    memory y_memory = laid_out(shape, nullptr, nullptr, kind_v<Out>, 1, r.strides ? r.strides + 1000 : 0);
    view<Out, 4> y;
    y.data = reinterpret_cast<Out*>(y_memory.bytes.data()) + y_memory.offset;
    for (int a = 0; a < 4; ++a) y.extents[a] = shape[std::size_t(a)], y.strides[a] = y_memory.strides[a];

    carry<M, Types> c;
    std::optional<held_state<M, Types>> initial, last, captured;
    if (r.initial) c.initial = initial.emplace(*r.initial).view_();
    if (r.in_place) c.final = initial.value().view_();
    else if (r.want_final) c.final = last.emplace(nan_state(info, p.sequences(), p.size)).view_();
    if (!r.positions.empty()) {
      c.positions = std::span<const idx>(r.positions);
      c.captured = captured.emplace(nan_state(info, p.sequences() * idx(r.positions.size()), p.size)).view_();
    }
    call(x, y, c, r);
    outcome o;
    check_gaps(y_memory, kind_v<Out>, 1, shape, name());
    read_back(y_memory, shape, kind_v<Out>, 1, o.y, &o.y_tangent);
    if (r.in_place) o.final = initial->numbers();
    else if (last) o.final = last->numbers();
    if (captured) o.captured = captured->numbers();
    return o;
  }
  /// go(form) of a form chosen at run time; backward keeps the state of every third chunk.
  template <class Go>
  static void with_form(const form_choice& f, Go go) {
    switch (f.name) {
      case form_name::definition:
        return go(form::definition{});
      case form_name::parallel:
        return go(form::parallel{});
      case form_name::recurrent:
        return go(form::recurrent{});
      case form_name::chunkwise:
        return go(form::chunkwise{f.length, {3}});
      case form_name::step:
        return go(form::step{});
      case form_name::automatic:
        return go(form::automatic{});
    }
  }
  template <class Y>
  void call(const X& x, const Y& y, const carry<M, Types>& c, const request& r) const {
    const auto go = [&](auto form_) {
      if constexpr (form_exists<decltype(form_), M>) {
        const device::cpu<test_executor> on{r.executor};
        std::size_t bytes = workspace_bytes(on, form_, x);
        if (r.small_workspace) bytes -= 1;
        // NaN everywhere, also behind what was asked for: nothing is read before it was written, nothing written beyond
        std::vector<std::byte> scratch(bytes + 128, std::byte{0xff});
        const std::size_t shift = (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
        coefdyn::run(on, form_, x, y, c, workspace(scratch).subspan(shift, bytes));
        for (std::size_t i = shift + bytes; i < scratch.size(); ++i)
          if (scratch[i] != std::byte{0xff}) throw std::logic_error(name() + ": wrote behind its workspace");
      } else {
        throw std::logic_error(name() + " has no such form");
      }
    };
    with_form(r.form, go);
  }
};
}  // namespace detail

/// Registers a mixer at program start: `const mixer_group all{one<my_mixer>("my mixer"), ...};`
template <class M, field Over, class Heads, class... Types>
struct entry {
  const char* name;
};
template <class M, field Over = field::real>
constexpr entry<M, Over, heads::grouped_queries, double, float> one(const char* name) {
  return {name};
}
template <class M, field Over = field::real>
constexpr entry<M, Over, heads::grouped_values, double> grouped(const char* name) {
  return {name};
}
template <class M, field Over = field::real>
constexpr entry<M, Over, heads::grouped_queries, bf16, half> low_precision(const char* name) {
  return {name};
}
template <class M, field Over = field::real>
constexpr entry<M, Over, heads::grouped_queries, dual<double>> in_duals(const char* name) {
  return {name};
}

struct mixer_group {
  template <class... Entry>
  explicit mixer_group(Entry... entries) {
    (add(entries), ...);
  }

 private:
  template <class M, field Over, class Heads, class... Types>
  static void add(entry<M, Over, Heads, Types...> e) {
    (registered().push_back(std::make_unique<detail::subject_of<M, typename coefdyn::detail::as_types<Types>::type, Heads, Over>>(e.name)),
     ...);
  }
};

}  // namespace coefdyn::laws
