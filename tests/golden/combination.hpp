// SPDX-License-Identifier: MIT
#pragma once
#include <set>
#include <string>

namespace coefdyn::files {
class safetensors;
}

namespace golden {

/// A mixer type spelled out, and the headers that it needs.
struct combination {
  std::string mixer;  // in namespace coefdyn
  bool complex_reads = false;
  bool eta = false, spectrum = false;  // whether a case has eta or eigenvalues
  std::set<std::string> headers;
  /// Name of its unit: the same for equal types.
  std::string unit() const;
};

/// The combination of a file, by names.hpp; throws std::runtime_error that names a word which is not in the table.
combination combination_of(const coefdyn::files::safetensors& file);

/// A file's metadata entry, or "" where it has none.
std::string metadata(const coefdyn::files::safetensors& file, const std::string& key);

}  // namespace golden
